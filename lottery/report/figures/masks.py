"""Figure 10: the overlap of compared masks against chance; and lines of pairs of networks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lottery.report.figures.figure import (
    GREY,
    MAX_LINES,
    Axis,
    Figure,
    Line,
    Panel,
    Style,
    remaining_axis,
    style,
)
from lottery.report.read.masks import ComparedMasks

if TYPE_CHECKING:
    import pandas as pd

MAX_COMPARISONS = 3  # of two panels
CHANCE = Style(GREY, "dot", None)
OVERLAP = (
    "Weights that both networks keep, as a share of those that one of them keeps. "
    "By chance (dotted): as many weights of each layer at random."
)


@dataclass(frozen=True)
class Group:
    """The rows of one line: a pair of runs, or a run."""

    label: str
    rows: "pd.DataFrame"  # with `density`, the share of weights left
    look: Style


def masks_figure(found: Sequence[ComparedMasks]) -> Figure | None:
    """Make figure 10, two panels for each comparison; None if there is none."""
    if not found:
        return None
    drawn = [group_pairs(masks.pairs) for masks in found[:MAX_COMPARISONS]]
    most = max(map(len, drawn))
    caption = f"{OVERLAP} Beside it: the overlap as a multiple of that by chance."
    if len(found) > MAX_COMPARISONS:
        caption += f" The first {MAX_COMPARISONS} of {len(found)} comparisons are drawn."
    if most > MAX_LINES:
        caption += f" The first {MAX_LINES} of {most} lines are drawn."
    return Figure(
        name="10_masks",
        title="10. Masks compared",
        caption=caption,
        panels=tuple(
            draw(groups, masks.name if len(found) > 1 else "")
            for masks, groups in zip(found, _with_looks(drawn), strict=False)
            for draw in (overlap_panel, ratio_panel)
        ),
    )


def _with_looks(drawn: Sequence[Sequence[Group]]) -> list[list[Group]]:
    """Give a label one look in all panels, which share a legend on paper."""
    cut = [groups[:MAX_LINES] for groups in drawn]
    labels = dict.fromkeys(group.label for groups in cut for group in groups)
    looks = {label: style(number) for number, label in enumerate(labels)}
    return [[replace(group, look=looks[group.label]) for group in groups] for groups in cut]


def group_pairs(pairs: "pd.DataFrame") -> list[Group]:
    """Return a group per pair of runs; of one run, the steps to the next round and to the last."""
    if (pairs["first_round"] == pairs["second_round"]).all():
        runs = pairs.groupby(["first", "second"], sort=False)
        named = [(f"{one} and {other}", rows) for (one, other), rows in runs]
    else:
        named = [*_steps(pairs)]
    return [Group(label, rows, style(number)) for number, (label, rows) in enumerate(named)]


def _steps(pairs: "pd.DataFrame") -> "Iterator[tuple[str, pd.DataFrame]]":
    last = pairs["second_round"].max()
    following = pairs.groupby("first_round")["second_round"].transform("min")
    yield "with the next round", pairs[pairs["second_round"] == following]
    yield f"with the last round, {last}", pairs[pairs["second_round"] == last]


def overlap_panel(groups: Sequence[Group], title: str) -> Panel:
    """Draw the overlap and, dotted, that by chance."""
    panel = group_panel(groups, "overlap", Axis("overlap (%)", span=(-3, 103)), title=title)
    chance = (_line(group, "overlap_chance", 100) for group in groups)
    dotted = (replace(line, label="chance", style=CHANCE) for line in chance)
    return replace(panel, lines=(*dotted, *panel.lines))


def ratio_panel(groups: Sequence[Group], title: str) -> Panel:
    """Draw the overlap as a multiple of that by chance."""
    ratios = [
        replace(g, rows=g.rows.assign(ratio=g.rows["overlap"] / g.rows["overlap_chance"]))
        for g in groups
    ]
    panel = group_panel(ratios, "ratio", Axis("overlap / chance"), title=title, factor=1)
    return replace(panel, level=(1.0, "as by chance"))


def group_panel(
    groups: Sequence[Group], column: str, y: Axis, *, title: str, factor: float = 100
) -> Panel:
    """Draw a column against the weights remaining, without its empty cells."""
    lines = tuple(_line(group, column, factor) for group in groups)
    return Panel(x=remaining_axis(lines), y=y, lines=lines, title=title)


def _line(group: Group, column: str, factor: float) -> Line:
    known = group.rows.dropna(subset=[column])
    x, y = tuple(100 * known["density"]), tuple(factor * known[column])
    return Line(group.label, x=x, y=y, style=group.look)

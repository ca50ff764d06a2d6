"""The figures of a comparison: overlap by layer, signs and magnitudes, and each network alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lottery.comparison.compare import Comparison
from lottery.comparison.tables import ALL
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

if TYPE_CHECKING:
    import pandas as pd

MAX_RATIOS = 5  # panels, so that there are six
CHANCE = Style(GREY, "dot", None)
HALF = (50.0, "chance: 50 %")
SHARES = {
    "same_start_signs": "start of the round",
    "same_final_signs": "end of the round",
}
OF_NETWORKS = {
    "effective_density": Axis("weights left on a path (%)"),
    "dead_units": Axis("units on no path (%)", from_zero=True),
    "empty_units": Axis("units without a weight in (%)", from_zero=True),
    "flips_from_initial": Axis("signs flipped since initialisation (%)", from_zero=True),
}


@dataclass(frozen=True)
class _Group:
    """The rows of one line: a pair of runs, or a run; of one layer."""

    label: str
    rows: "pd.DataFrame"


def comparison_figures(comparison: Comparison) -> list[Figure]:
    """Make the figures, of the first pairs and networks if there are many."""
    pairs = _with_density(comparison)
    groups = _groups_of_pairs(pairs)
    networks = [
        _Group(str(label), rows)
        for label, rows in _each_once(comparison.networks).groupby("run", sort=False)
    ]
    return [_overlap(groups), _signs(groups), _alone(networks)]


def _overlap(groups: Sequence[_Group]) -> Figure:
    layers = [ALL, *(layer for layer in dict.fromkeys(groups[0].rows["layer"]) if layer != ALL)]
    return Figure(
        name="1_overlap",
        title="1. Overlap of masks",
        caption="Weights that both networks keep, as a share of those that one of them keeps. "
        "By chance (dotted): as many weights of each layer at random. The other panels show "
        f"the overlap as a multiple of it.{_left_out(groups, layers)}",
        panels=(
            _overlap_panel(_of_layer(groups, ALL)),
            *(_ratio_panel(_of_layer(groups, layer), layer) for layer in layers[:MAX_RATIOS]),
        ),
    )


def _overlap_panel(groups: Sequence[_Group]) -> Panel:
    chance = [
        replace(_line(group, "overlap_chance", CHANCE, 100), label="chance") for group in groups
    ]
    lines = [*chance, *_lines(groups, "overlap", 100)]
    return _panel(lines, Axis("overlap (%)", span=(-3, 103)), "all layers")


def _ratio_panel(groups: Sequence[_Group], layer: str) -> Panel:
    ratios = [
        replace(g, rows=g.rows.assign(ratio=g.rows["overlap"] / g.rows["overlap_chance"]))
        for g in groups
    ]
    y = Axis("overlap / chance")
    panel = _panel(_lines(ratios, "ratio", 1), y, "all layers" if layer == ALL else layer)
    return replace(panel, level=(1.0, "as by chance"))


def _signs(groups: Sequence[_Group]) -> Figure:
    drawn = _of_layer(groups, ALL)
    axis = Axis("equal signs (%)", span=(-3, 103))
    signs = [_panel(_lines(drawn, column, 100), axis, title) for column, title in SHARES.items()]
    correlation = Axis("correlation of magnitudes", span=(-0.1, 1.05))
    magnitudes = _panel(_lines(drawn, "magnitude_correlation", 1), correlation, "end of the round")
    return Figure(
        name="2_signs",
        title="2. Signs and magnitudes of the weights that both keep",
        caption="Share of these weights that have one sign in both networks, at the start of the "
        "round and at its end; correlation of their magnitudes at the end, mean over the layers "
        f"by their number of such weights.{_left_out(groups, [])}",
        panels=(*(replace(panel, level=HALF) for panel in signs), magnitudes),
    )


def _alone(networks: Sequence[_Group]) -> Figure:
    drawn = [replace(g, rows=_of_all(g.rows)) for g in networks[:MAX_LINES]]
    panels = [_panel(_lines(drawn, column, 100), axis, "") for column, axis in OF_NETWORKS.items()]
    return Figure(
        name="3_networks",
        title="3. Each network alone",
        caption="All layers together. A weight is on a path if it leads from an input to an "
        f"output over weights that are left.{_left_out(networks, [])}",
        panels=tuple(panel for panel in panels if any(line.x for line in panel.lines)),
    )


def _each_once(networks: "pd.DataFrame") -> "pd.DataFrame":
    """Return the networks without those that were named twice."""
    return networks.drop_duplicates(["run", "round", "layer"])


def _of_all(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows of all layers, with the share of the weights left that is on a path."""
    found = rows[rows["layer"] == ALL]
    return found.assign(effective_density=found["effective_density"] / found["density"])


def _of_layer(groups: Sequence[_Group], layer: str) -> list[_Group]:
    """Return those groups that are drawn, with the rows of a layer."""
    return [replace(g, rows=g.rows[g.rows["layer"] == layer]) for g in groups[:MAX_LINES]]


def _panel(lines: Sequence[Line], y: Axis, title: str) -> Panel:
    return Panel(x=remaining_axis(lines), y=y, lines=tuple(lines), title=title)


def _lines(groups: Sequence[_Group], column: str, factor: float) -> list[Line]:
    return [_line(group, column, style(n), factor) for n, group in enumerate(groups)]


def _line(group: _Group, column: str, look: Style, factor: float) -> Line:
    known = group.rows.dropna(subset=[column])
    return Line(
        group.label,
        x=tuple(100 * known["density"]),
        y=tuple(factor * known[column]),
        style=look,
    )


def _with_density(comparison: Comparison) -> "pd.DataFrame":
    """Return the pairs with the first network's share of weights left in all its layers."""
    of_all = _of_all(_each_once(comparison.networks)).set_index(["run", "round"])["density"]
    pairs = comparison.pairs
    keys = list(zip(pairs["first"], pairs["first_round"], strict=True))
    return pairs.assign(density=[of_all[key] for key in keys])


def _groups_of_pairs(pairs: "pd.DataFrame") -> list[_Group]:
    """Return a group per pair of runs; of one run, the steps to the next round and to the last."""
    if (pairs["first_round"] == pairs["second_round"]).all():
        runs = pairs.groupby(["first", "second"], sort=False)
        return [_Group(f"{one} and {other}", rows) for (one, other), rows in runs]
    return list(_steps(pairs))


def _steps(pairs: "pd.DataFrame") -> Iterator[_Group]:
    last = pairs["second_round"].max()
    following = pairs.groupby("first_round")["second_round"].transform("min")
    yield _Group("with the next round", pairs[pairs["second_round"] == following])
    yield _Group(f"with the last round, {last}", pairs[pairs["second_round"] == last])


def _left_out(groups: Sequence[_Group], layers: Sequence[str]) -> str:
    texts = ""
    if len(groups) > MAX_LINES:
        texts += f" The first {MAX_LINES} of {len(groups)} lines are drawn."
    if len(layers) > MAX_RATIOS:
        texts += f" The first {MAX_RATIOS - 1} of {len(layers) - 1} layers are drawn."
    return texts

"""Figure 11: where the weights are that are left, by unit of each layer and by input pixel."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lottery.report.figures.figure import Axis, Figure, Image, Line, Panel, style
from lottery.report.read.kept import KeptWeights

if TYPE_CHECKING:
    from lottery.report.read.kept import Shares

MOST_POINTS = 200  # of a line
UNITS = (
    "The share of its weights that each unit has left, from the fullest unit to the emptiest. A "
    "unit at 0 has none."
)
PIXELS = (
    "The map shows the weights left of each input pixel, in percent: where it is 0, the network "
    "does not see the pixel."
)


def units_figure(found: Sequence[KeptWeights], *, with_units: bool) -> Figure | None:
    """Make figure 11: the input pixels, and of a single setting the units; None if none."""
    panels = [panel for kept in found for panel in _panels(kept, with_units=with_units)]
    if not panels:
        return None
    caption = [UNITS] if with_units else []
    caption += [PIXELS] if any(panel.image for panel in panels) else []
    if with_units:
        kept = found[0]
        share = f"{100 * kept.remaining:.1f} % of the weights"
        caption.append(f"All of round {kept.round} of seed {kept.seed} ({share}).")
    else:
        caption.append("Each setting is shown in the best pruned round of its first seed.")
    return Figure(
        name="11_units",
        title="11. Where the weights are",
        caption=" ".join(caption),
        panels=tuple(panels),
    )


def _panels(kept: KeptWeights, *, with_units: bool) -> list[Panel]:
    panels = []
    if with_units and kept.layers:
        by_input = [(layer.name, layer.by_input) for layer in kept.layers]
        by_output = [(layer.name, layer.by_output) for layer in kept.layers]
        panels += [_profile(by_input, "by input unit"), _profile(by_output, "by output unit")]
    if kept.pixels is not None:
        title, label = ("by input pixel", "") if with_units else (kept.label, kept.label)
        panels.append(_map(kept.pixels, title, label))
    return panels


def _profile(layers: "Sequence[tuple[str, Shares]]", title: str) -> Panel:
    return Panel(
        x=Axis("units (%)", span=(-2, 102)),
        y=Axis("weights left of the unit (%)", from_zero=True),
        lines=tuple(
            _line(name, sorted(shares.tolist(), reverse=True), number)
            for number, (name, shares) in enumerate(layers)
        ),
        title=title,
    )


def _line(name: str, shares: Sequence[float], number: int) -> Line:
    last = max(len(shares) - 1, 1)
    step = max(1, len(shares) // MOST_POINTS)
    places = sorted({*range(0, len(shares), step), len(shares) - 1})
    return Line(
        name,
        x=tuple(100 * place / last for place in places),
        y=tuple(100 * shares[place] for place in places),
        style=replace(style(number), marker=None if len(places) > 1 else "circle"),
    )


def _map(pixels: "Shares", title: str, setting: str) -> Panel:
    height, width = pixels.shape
    rows = tuple(tuple(round(100 * share, 3) for share in row) for row in pixels.tolist())
    return Panel(
        x=Axis("column", span=(-0.5, width - 0.5)),
        y=Axis("row", span=(-0.5, height - 0.5), reverse=True),
        lines=(),
        title=title,
        image=Image(rows, "weights left (%)"),
        setting=setting,
    )

"""The figures of a comparison: overlap by layer, signs and magnitudes, and each network alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lottery.comparison.compare import Comparison
from lottery.report.figures.figure import MAX_LINES, Axis, Figure, style
from lottery.report.figures.masks import (
    OVERLAP,
    Group,
    group_pairs,
    group_panel,
    overlap_panel,
    ratio_panel,
)
from lottery.report.read.masks import ALL

if TYPE_CHECKING:
    import pandas as pd

ALL_LAYERS = "all layers"
MAX_RATIOS = 5  # panels, so that there are six
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


def comparison_figures(comparison: Comparison) -> list[Figure]:
    """Make the figures, of the first pairs and networks if there are many."""
    pairs = _with_density(comparison)
    groups = group_pairs(pairs)
    runs = _each_once(comparison.networks).groupby("run", sort=False)
    networks = [Group(str(run), rows, style(n)) for n, (run, rows) in enumerate(runs)]
    return [_overlap(groups), _signs(groups), _alone(networks)]


def _overlap(groups: Sequence[Group]) -> Figure:
    layers = [ALL, *(layer for layer in dict.fromkeys(groups[0].rows["layer"]) if layer != ALL)]
    return Figure(
        name="1_overlap",
        title="1. Overlap of masks",
        caption=f"{OVERLAP} The other panels show the overlap as a "
        f"multiple of it.{_left_out(groups, layers)}",
        panels=(
            overlap_panel(_of_layer(groups, ALL), ALL_LAYERS),
            *(
                ratio_panel(_of_layer(groups, layer), ALL_LAYERS if layer == ALL else layer)
                for layer in layers[:MAX_RATIOS]
            ),
        ),
    )


def _signs(groups: Sequence[Group]) -> Figure:
    drawn = _of_layer(groups, ALL)
    axis = Axis("equal signs (%)", span=(-3, 103))
    signs = [group_panel(drawn, column, axis, title=title) for column, title in SHARES.items()]
    correlation = Axis("correlation of magnitudes", span=(-0.1, 1.05))
    magnitudes = group_panel(
        drawn, "magnitude_correlation", correlation, title="end of the round", factor=1
    )
    return Figure(
        name="2_signs",
        title="2. Signs and magnitudes of the weights that both keep",
        caption="Share of these weights that have one sign in both networks, at the start of the "
        "round and at its end; correlation of their magnitudes at the end, mean over the layers "
        f"by their number of such weights.{_left_out(groups, [])}",
        panels=(*(replace(panel, level=HALF) for panel in signs), magnitudes),
    )


def _alone(networks: Sequence[Group]) -> Figure:
    drawn = [replace(g, rows=_of_all(g.rows)) for g in networks[:MAX_LINES]]
    panels = [group_panel(drawn, column, y, title="") for column, y in OF_NETWORKS.items()]
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


def _of_layer(groups: Sequence[Group], layer: str) -> list[Group]:
    """Return those groups that are drawn, with the rows of a layer."""
    return [replace(g, rows=g.rows[g.rows["layer"] == layer]) for g in groups[:MAX_LINES]]


def _with_density(comparison: Comparison) -> "pd.DataFrame":
    """Return the pairs with the first network's share of weights left in all its layers."""
    of_all = _of_all(_each_once(comparison.networks)).set_index(["run", "round"])["density"]
    pairs = comparison.pairs
    keys = list(zip(pairs["first"], pairs["first_round"], strict=True))
    return pairs.assign(density=[of_all[key] for key in keys])


def _left_out(groups: Sequence[Group], layers: Sequence[str]) -> str:
    texts = ""
    if len(groups) > MAX_LINES:
        texts += f" The first {MAX_LINES} of {len(groups)} lines are drawn."
    if len(layers) > MAX_RATIOS:
        texts += f" The first {MAX_RATIOS - 1} of {len(layers) - 1} layers are drawn."
    return texts

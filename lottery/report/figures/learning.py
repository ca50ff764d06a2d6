"""Figure 4: how fast networks learn: ES, and learning curves of chosen rounds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lottery.record.rows import best_round
from lottery.report.figures.figure import Axis, Figure, Line, Panel, Style, remaining_axis
from lottery.report.figures.lines import lines_of_settings
from lottery.report.read.runs import RunRecord
from lottery.report.read.settings import Setting

MAX_CURVES = 4  # settings with learning curves
SPLITS = {"train": ("training", "dot"), "val": ("validation", "solid")}  # name, dash
ROUND_COLORS = {"dense": "#000000", "winning round": "#E69F00", "last round": "#56B4E9"}


def learning_figure(settings: Sequence[Setting]) -> Figure:
    """Make figure 4: ES against weights remaining, and learning curves.

    Args:
        settings: one setting gets loss and accuracy of its dense, winning and last round; of
            several, the first four get the validation loss of these rounds, in a panel each.
    """
    first = settings[0].runs[0]
    if len(settings) == 1:
        curves = [_curves(first, "loss", SPLITS), _curves(first, "accuracy", SPLITS)]
    else:
        shown = settings[:MAX_CURVES]
        curves = [replace(_curves(s.runs[0], "loss", ["val"]), title=s.label) for s in shown]
    seeds = " of the first seed" if any(len(setting.runs) > 1 for setting in settings) else ""
    return Figure(
        name="4_learning",
        title="4. ES and learning curves",
        caption="ES is the early-stopping step, the step with the lowest validation loss: a lower "
        f"ES means faster learning. Beside it: learning curves{seeds} in the dense, the winning "
        "and the last round.",
        panels=(_es_panel(settings), *curves),
    )


def _es_panel(settings: Sequence[Setting]) -> Panel:
    lines = lines_of_settings(settings, "remaining", "ES")
    if len(settings) == 1:
        lines = (replace(lines[0], label="ES"),)
    return Panel("", remaining_axis(lines), Axis("ES (step)", from_zero=True), lines)


def chosen_rounds(run: RunRecord) -> dict[str, int]:
    """Return the dense, the winning and the last round of a run, each round once."""
    done = run.values("remaining")
    wanted = {
        "dense": 0 if 0 in done else None,
        "winning round": best_round(run.values("val"), done),
        "last round": max(done, default=None),
    }
    chosen: dict[str, int] = {}
    for name, number in wanted.items():
        if number is not None and number not in chosen.values():
            chosen[name] = number
    return chosen


def _curves(run: RunRecord, measure: str, splits: Collection[str]) -> Panel:
    """Return the panel with the curves of a measure in the chosen rounds of a run."""
    factor = 100 if measure == "accuracy" else 1
    records, lines = {record["row"]["round"]: record for record in run.records}, []
    for name, number in chosen_rounds(run).items():
        share = f"{100 * records[number]['row']['remaining']:.1f} %"
        for split in splits:
            history: Sequence[Mapping[str, Any]] = records[number]["history"]
            entries = [entry for entry in history if entry["split"] == split]
            split_name, dash = SPLITS[split]
            line = Line(
                label=f"round {number} ({share}), {split_name}" if len(splits) > 1 else name,
                x=tuple(float(entry["iteration"]) for entry in entries),
                y=tuple(factor * entry[measure] for entry in entries),
                # A line of one point needs a marker.
                style=Style(ROUND_COLORS[name], dash, "circle" if len(entries) == 1 else None),
            )
            lines += [line] if entries else []
    label = {"loss": "loss", "accuracy": "accuracy (%)"}[measure]
    y_axis = Axis(label if len(splits) > 1 else f"validation {label}")
    return Panel("", Axis("step"), y_axis, tuple(lines))

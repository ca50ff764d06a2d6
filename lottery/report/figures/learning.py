"""Figure 4: how fast networks learn: ES, and learning curves of chosen rounds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lottery.record.opened_run import OpenedRun
from lottery.record.rows import best_round
from lottery.report.figures.figure import Axis, Figure, Line, Panel, Style, remaining_axis
from lottery.report.figures.lines import lines_of_settings
from lottery.report.read.settings import Setting

MAX_CURVES = 4  # settings with learning curves
SPLITS = {"train": ("training", "dot"), "val": ("validation", "solid")}  # name, dash
ROUND_COLORS = {"dense": "#000000", "winning round": "#E69F00", "last round": "#56B4E9"}


def learning_figure(settings: Sequence[Setting]) -> Figure:
    """Make figure 4: ES against weights remaining, and learning curves of the first seeds.

    One setting gets loss and accuracy of its dense, winning and last round; of several, the first
    four get the validation loss of these rounds.
    """
    lines = lines_of_settings(settings, x="remaining", y="ES")
    first = settings[0].runs[0]
    if len(settings) == 1:
        lines = (replace(lines[0], label="ES"),)
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
        panels=(Panel(remaining_axis(lines), Axis("ES (step)", from_zero=True), lines), *curves),
    )


def _chosen_rounds(run: OpenedRun) -> dict[str, int]:
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


def _curves(run: OpenedRun, measure: str, splits: Collection[str]) -> Panel:
    """Return the panel with the curves of a measure in the chosen rounds of a run."""
    factor, label = {"loss": (1, "loss"), "accuracy": (100, "accuracy (%)")}[measure]
    one_split, lines = len(splits) == 1, []
    for name, number in _chosen_rounds(run).items():
        record = run.record(number)
        share = f"{100 * record['row']['remaining']:.1f} %"
        for split in splits:
            history: Sequence[Mapping[str, Any]] = record["history"]
            points = [
                (float(e["iteration"]), factor * e[measure])
                for e in history
                if e["split"] == split and measure in e
            ]
            split_name, dash = SPLITS[split]
            # A line of one point needs a marker.
            look = Style(ROUND_COLORS[name], dash, "circle" if len(points) == 1 else None)
            words = name if one_split else f"round {number} ({share}), {split_name}"
            x, y = tuple(x for x, _ in points), tuple(y for _, y in points)
            lines += [Line(words, x=x, y=y, style=look)] if points else []
    y_axis = Axis(f"validation {label}" if one_split else label)
    return Panel(Axis("step"), y_axis, tuple(lines))

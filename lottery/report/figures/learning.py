"""Figure 4: how fast networks learn: ES, and learning curves of chosen rounds."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from lottery.record.opened_run import OpenedRun
from lottery.record.rows import best_round
from lottery.report.figures.figure import Axis, Figure, Line, Panel, Style, remaining_axis
from lottery.report.figures.lines import lines_of_settings
from lottery.report.read.curves import curve
from lottery.report.read.settings import Setting

MAX_CURVES = 4  # settings with learning curves at once
SPLITS = {"train": ("training", "dot"), "val": ("validation", "solid")}  # name, dash
ROUND_COLORS = {"dense": "#000000", "best pruned round": "#E69F00", "last round": "#56B4E9"}


def learning_figure(settings: Sequence[Setting]) -> Figure:
    """Make figure 4: ES against weights remaining, and learning curves of the first seeds.

    One setting gets loss and score of its dense, best pruned and last round; several get the
    validation loss of these rounds.
    """
    lines = lines_of_settings(settings, x="remaining", y="ES")
    first = settings[0].started
    if len(settings) == 1:
        lines = (replace(lines[0], label="ES"),)
        curves = [_curves(first, SPLITS, of_loss=True), _curves(first, SPLITS, of_loss=False)]
    else:
        found = [
            replace(_curves(s.started, ["val"], of_loss=True), title=s.label, setting=s.label)
            for s in settings
        ]
        curves = [panel for panel in found if panel.lines]  # none without validation data
    seeds = " of the first seed" if any(len(setting.runs) > 1 for setting in settings) else ""
    return Figure(
        name="4_learning",
        title="4. ES and learning curves",
        caption="ES is the early-stopping step, the step with the lowest validation loss: a lower "
        f"ES means faster learning. Beside it: learning curves{seeds} in the dense, the best "
        "pruned and the last round.",
        panels=(Panel(remaining_axis(lines), Axis("ES (step)", from_zero=True), lines), *curves),
        most=MAX_CURVES,
    )


def _chosen_rounds(run: OpenedRun) -> dict[str, int]:
    """Return the dense, the best pruned and the last round of a run, each round once."""
    done = run.values("remaining")
    wanted = {
        "dense": 0 if 0 in done else None,
        "best pruned round": best_round(run.values("val"), done, run.score),
        "last round": max(done, default=None),
    }
    chosen: dict[str, int] = {}
    for name, number in wanted.items():
        if number is not None and number not in chosen.values():
            chosen[name] = number
    return chosen


def _curves(run: OpenedRun, splits: Collection[str], *, of_loss: bool) -> Panel:
    """Return the panel with the curves of the loss or the score in the chosen rounds of a run."""
    label = "loss" if of_loss else f"{run.score.metric}{' (%)' if run.score.is_share else ''}"
    one_split, lines = len(splits) == 1, []
    for name, number in _chosen_rounds(run).items():
        share = f"{100 * run.record(number)['row']['remaining']:.1f} %"
        for split in splits:
            x, y = curve(run, number, split=split, of_loss=of_loss)
            split_name, dash = SPLITS[split]
            # A line of one point needs a marker.
            look = Style(ROUND_COLORS[name], dash, "circle" if len(x) == 1 else None)
            words = name if one_split else f"round {number} ({share}), {split_name}"
            lines += [Line(words, x=x, y=y, style=look)] if x else []
    y_axis = Axis(f"validation {label}" if one_split else label)
    return Panel(Axis("step"), y_axis, tuple(lines))

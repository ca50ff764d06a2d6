"""Figure 4: how fast networks learn: ES, and learning curves of chosen rounds."""

from collections.abc import Sequence
from dataclasses import replace

from lottery.record.results import best_round
from lottery.report.figures.figure import Axis, Figure, Line, Panel, Style, remaining_axis
from lottery.report.figures.lines import lines_of_settings
from lottery.report.read.runs import RunRecord
from lottery.report.read.settings import Setting

MAX_CURVES = 4  # settings with learning curves
SPLIT_DASHES = {"train": "dot", "val": "solid"}
SPLIT_NAMES = {"train": "training", "val": "validation"}
ROUND_STYLES = {
    "dense": Style("#000000", "solid", None),
    "winning round": Style("#E69F00", "solid", None),
    "last round": Style("#56B4E9", "solid", None),
}


def learning_figure(settings: Sequence[Setting]) -> Figure:
    """Make figure 4: ES against weights remaining, and learning curves.

    Args:
        settings: one setting gets loss and accuracy of its dense, winning and last round; of
            several, the first four get the validation loss of these rounds, in a panel each.
    """
    curves = _panels_of_several(settings) if len(settings) > 1 else _panels_of_one(settings[0])
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


def _panels_of_one(setting: Setting) -> list[Panel]:
    run = setting.runs[0]
    panels = []
    for measure, label, factor in (("loss", "loss", 1), ("accuracy", "accuracy (%)", 100)):
        lines = [
            replace(curve, y=tuple(factor * y for y in curve.y))
            for name, number in chosen_rounds(run).items()
            for split in SPLIT_DASHES
            if (curve := _curve(run, number, split, measure, ROUND_STYLES[name])).x
        ]
        panels.append(Panel("", Axis("step"), Axis(label), tuple(lines)))
    return panels


def _panels_of_several(settings: Sequence[Setting]) -> list[Panel]:
    panels = []
    for setting in settings[:MAX_CURVES]:
        run = setting.runs[0]
        lines = tuple(
            replace(_curve(run, number, "val", "loss", ROUND_STYLES[name]), label=name)
            for name, number in chosen_rounds(run).items()
        )
        panels.append(Panel(setting.label, Axis("step"), Axis("validation loss"), lines))
    return panels


def _curve(run: RunRecord, number: int, split: str, measure: str, look: Style) -> Line:
    (record,) = (record for record in run.records if record["row"]["round"] == number)
    entries = [entry for entry in record["history"] if entry["split"] == split]
    marker = "circle" if len(entries) == 1 else None  # a line of one point needs a mark
    return Line(
        f"round {number} ({100 * record['row']['remaining']:.1f} %), {SPLIT_NAMES[split]}",
        x=tuple(float(entry["iteration"]) for entry in entries),
        y=tuple(entry[measure] for entry in entries),
        style=replace(look, dash=SPLIT_DASHES[split], marker=marker),
    )

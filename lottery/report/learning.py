"""Figure 4: how fast the networks learn: ES, and the curves of chosen rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lottery.report.figure import Axis, Figure, Line, Panel, Style, remaining_axis
from lottery.report.lines import lines_against
from lottery.report.runs import RunRecord
from lottery.report.settings import Setting
from lottery.report.verdicts import best_round

MAX_SETTINGS = 4  # with curves
SPLITS = {"train": "dot", "val": "solid"}
CURVES = {
    "dense": Style("#000000", "solid", None),
    "winning round": Style("#E69F00", "solid", None),
    "last round": Style("#56B4E9", "solid", None),
}


def learning_figure(settings: Sequence[Setting], *, interval: bool) -> Figure:
    """Figure 4: ES against weights remaining, and curves.

    Args:
        settings: of one, the curves of the dense, the winning and the last round; of several,
            the validation loss of those rounds, a panel for each of the first four.
        interval: whether bands are confidence intervals.
    """
    one = len(settings) == 1
    curves = _curves_of_one(settings[0]) if one else _curves_of_several(settings)
    seeds = " of the first seed" if any(len(setting.runs) > 1 for setting in settings) else ""
    return Figure(
        "4_learning",
        "4. ES and learning curves",
        "ES is the step of the lowest validation loss: the lower, the faster a network learns. "
        f"Beside it, curves{seeds} in the dense, the winning and the last round.",
        (_es_panel(settings, interval=interval), *curves),
    )


def _es_panel(settings: Sequence[Setting], *, interval: bool) -> Panel:
    lines = lines_against(settings, "remaining", "ES", interval=interval)
    if len(settings) == 1:
        lines = (replace(lines[0], label="ES"),)
    return Panel("", remaining_axis(lines), Axis("ES (step)", from_zero=True), lines)


def chosen_rounds(run: RunRecord) -> dict[str, int]:
    """The dense, the winning and the last round of a run, as far as there are, each once."""
    done = run.values("remaining")
    wanted = {
        "dense": 0 if 0 in done else None,
        "winning round": best_round(run.values("val"), done),
        "last round": max(done, default=None),
    }
    chosen: dict[str, int] = {}
    for what, number in wanted.items():
        if number is not None and number not in chosen.values():
            chosen[what] = number
    return chosen


def _curves_of_one(setting: Setting) -> list[Panel]:
    run = setting.runs[0]
    panels = []
    for measure, label, scale in (("loss", "loss", 1), ("accuracy", "accuracy (%)", 100)):
        lines = [
            _curve(run, number, split, measure, scale, replace(CURVES[what], dash=dash))
            for what, number in chosen_rounds(run).items()
            for split, dash in SPLITS.items()
        ]
        kept = tuple(line for line in lines if line.x)
        panels.append(Panel("", Axis("step"), Axis(label), kept))
    return panels


def _curves_of_several(settings: Sequence[Setting]) -> list[Panel]:
    panels = []
    for setting in settings[:MAX_SETTINGS]:
        run = setting.runs[0]
        lines = tuple(
            replace(_curve(run, number, "val", "loss", 1, CURVES[what]), label=what)
            for what, number in chosen_rounds(run).items()
        )
        panels.append(Panel(setting.label, Axis("step"), Axis("validation loss"), lines))
    return panels


def _curve(
    run: RunRecord, number: int, split: str, measure: str, scale: float, look: Style
) -> Line:
    (record,) = (record for record in run.records if record["row"]["round"] == number)
    rows: Sequence[Mapping[str, Any]] = record["history"]
    entries = [entry for entry in rows if entry["split"] == split]
    name = {"train": "training", "val": "validation"}[split]
    if len(entries) == 1:  # a line that is a point needs a mark
        look = replace(look, marker="circle")
    return Line(
        f"round {number} ({100 * record['row']['remaining']:.1f} %), {name}",
        tuple(float(entry["iteration"]) for entry in entries),
        tuple(scale * entry[measure] for entry in entries),
        look,
    )

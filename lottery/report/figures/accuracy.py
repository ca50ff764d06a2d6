"""Figures 1, 2, 5 and 9: the score against weights, parameters, FLOPs, and those of training."""

from collections.abc import Sequence
from dataclasses import replace

from lottery.record.score import ACCURACY
from lottery.report.figures.figure import (
    Axis,
    Figure,
    Line,
    Note,
    Panel,
    Style,
    count_axis,
    remaining_axis,
    score_axis,
)
from lottery.report.figures.lines import (
    factor_of,
    forest_lines,
    line_of_column,
    lines_of_settings,
    names_of_scores,
)
from lottery.report.read.forests import RunForests
from lottery.report.read.groups import by_score
from lottery.report.read.labels import capital
from lottery.report.read.settings import Setting

AXIS_LABELS = {
    "f1": "test macro F1 at ES (%)",
    "inference_ms": "inference (ms per example)",
    "params_remaining": "parameters left",
    "flops_remaining": "FLOPs per example",
    "train_flops_total": "FLOPs of training, with all that led to it",
}
# Colours of the earlier study's figures; they differ in lightness, for any colour vision.
SCORE = Style("#E64B35", "solid", "circle")
F1 = Style("#4DBBD5", "dash", "square")
TIME = Style("#3C5488", "dot", "triangle-up")


def accuracy_figure(settings: Sequence[Setting]) -> Figure:
    """Make figure 1: score, F1 and inference time; several settings get a panel for each."""
    measured = names_of_scores(settings)
    averages = " and macro F1" if any(setting.values("f1") for setting in settings) else ""
    return Figure(
        name="1_accuracy",
        title=f"1. {capital(measured)} against weights remaining",
        caption=f"Test {measured}{averages} at the early-stopping step (ES, the step with the "
        "lowest validation loss), and the time of inference, against the share of the prunable "
        "weights that is left.",
        panels=_panels_of_several(settings) if len(settings) > 1 else _panels_of_one(settings[0]),
    )


def _panels_of_one(setting: Setting) -> tuple[Panel, ...]:
    score = setting.score
    test, f1, time = (
        replace(line_of_column(setting, x="remaining", y=column, look=look), label=label)
        for column, look, label in (
            ("test", SCORE, f"test {score.metric}"),
            ("f1", F1, "test macro F1"),
            ("inference_ms", TIME, "inference time"),
        )
    )
    averaged = (f1,) if f1.x and score.is_share else ()  # both in percent
    timed = (replace(time, on_right_axis=True),) if time.x else ()
    both = Axis(f"test {score.metric}, macro F1 (%)")
    panel = Panel(
        x=remaining_axis([test]),
        y=both if averaged else score_axis(score),
        lines=(test, *averaged, *timed),
        right=Axis(AXIS_LABELS["inference_ms"], from_zero=True) if timed else None,
    )
    return (_with_ticket(_with_dense(panel, [setting], "test"), setting, "remaining"),)


def _panels_of_several(settings: Sequence[Setting]) -> tuple[Panel, ...]:
    """Return a panel for each score, one for F1 and one for the time."""
    panels = []
    for score, group in by_score(settings).items():
        lines = lines_of_settings(settings, x="remaining", y="test", score=score)
        panel = Panel(remaining_axis(lines), score_axis(score), lines)
        panels.append(_with_dense(panel, group, "test"))
    for column in ("f1", "inference_ms"):
        lines = lines_of_settings(settings, x="remaining", y=column)
        axis = Axis(AXIS_LABELS[column], from_zero=column == "inference_ms")
        panel = Panel(remaining_axis(lines), axis, lines)
        panels += [_with_dense(panel, settings, column) if column == "f1" else panel]
    return tuple(panel for panel in panels if panel.lines)


def parameters_figure(settings: Sequence[Setting]) -> Figure:
    """Make figure 2: the score against the number of parameters left."""
    measured = names_of_scores(settings)
    return Figure(
        name="2_parameters",
        title=f"2. {capital(measured)} against parameters",
        caption=f"Test {measured} at ES against the number of parameters left, with biases and "
        "with layers that are not pruned.",
        panels=_panels_of_counts(settings, "params_remaining"),
    )


def flops_figure(settings: Sequence[Setting], forests: Sequence[RunForests]) -> Figure | None:
    """Make figure 5: the score against FLOPs, also of forests; None if FLOPs were not measured."""
    if not any(setting.values("flops_remaining") for setting in settings):
        return None
    measured = names_of_scores(settings)
    caption = (
        f"Test {measured} at ES against the floating-point operations of one example's forward "
        "pass, without those of pruned weights."
    )
    lines = [line for of_run in forests for line in forest_lines(of_run)]
    if lines:
        caption += " Each forest has two points: on dense features, and left of it on pruned ones."
    return Figure(
        name="5_flops",
        title=f"5. {capital(measured)} against FLOPs",
        caption=caption,
        panels=_panels_of_counts(settings, "flops_remaining", lines),
    )


def training_figure(settings: Sequence[Setting]) -> Figure | None:
    """Make figure 9: the score against the FLOPs of training; None if they were not counted."""
    if not any(setting.values("train_flops_total") for setting in settings):
        return None
    measured = names_of_scores(settings)
    return Figure(
        name="9_training",
        title=f"9. {capital(measured)} against FLOPs of training",
        caption=f"Test {measured} at ES against the floating-point operations of training, with "
        "everything that led to the network: for a ticket, all rounds that found it. A step "
        "counts as three forward passes without the pruned weights, and round 0 is a dense "
        "training.",
        panels=_panels_of_counts(settings, "train_flops_total"),
    )


def _panels_of_counts(
    settings: Sequence[Setting], column: str, others: Sequence[Line] = ()
) -> tuple[Panel, ...]:
    """Return a panel for each score."""
    one, panels = len(settings) == 1, []
    for score, group in by_score(settings).items():
        lines = lines_of_settings(settings, x=column, y="test", score=score)
        if one:
            lines = (replace(lines[0], label=f"test {score.metric}", style=SCORE),)
        lines = (*lines, *(others if score == ACCURACY else ()))
        x_axis = count_axis(AXIS_LABELS[column], lines)
        panel = _with_dense(Panel(x_axis, score_axis(score), lines), group, "test")
        panels.append(_with_ticket(panel, settings[0], column) if one else panel)
    return tuple(panel for panel in panels if panel.lines)


def _with_dense(panel: Panel, settings: Sequence[Setting], column: str) -> Panel:
    """Add the level of the dense network, if it is the same in all settings."""
    dense = {setting.means(column).get(0) for setting in settings}
    level = dense.pop()
    factor = factor_of(column, settings[0].score)
    return panel if level is None or dense else replace(panel, level=(factor * level, "dense"))


def _with_ticket(panel: Panel, setting: Setting, column: str) -> Panel:
    """Mark the best pruned round, or the last one without validation data."""
    remaining, x, test = (setting.means(name) for name in ("remaining", column, "test"))
    winner = setting.best_pruned_round()
    if winner is None or winner not in x:
        return panel
    low, high = min(test.values()), max(test.values())
    score, which = setting.score, "best pruned" if setting.has_validation else "last"
    note = Note(
        x=factor_of(column, score) * x[winner],
        y=score.shown(test[winner]),
        text=f"{which} round ({100 * remaining[winner]:.1f} %)",
        below=test[winner] >= (low + high) / 2,
        to_left=panel.x.is_right_of_centre(factor_of(column, score) * x[winner]),
    )
    return replace(panel, notes=(note,))

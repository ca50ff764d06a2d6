"""Figures 1, 2 and 5: accuracy against weights, parameters and FLOPs."""

from collections.abc import Sequence
from dataclasses import replace

from lottery.report.figures.figure import (
    Axis,
    Figure,
    Line,
    Note,
    Panel,
    Style,
    count_axis,
    remaining_axis,
)
from lottery.report.figures.lines import (
    factor_of,
    forest_lines,
    line_of_column,
    lines_of_settings,
)
from lottery.report.read.forests import RunForests
from lottery.report.read.roles import WINNING_TICKET
from lottery.report.read.settings import Setting

AXIS_LABELS = {
    "test": "test accuracy at ES (%)",
    "f1": "test macro F1 at ES (%)",
    "inference_ms": "inference (ms per example)",
    "params_remaining": "parameters left",
    "flops_remaining": "FLOPs per example",
}
# Colours of the earlier study's figures; they differ in lightness, for any colour vision.
ACCURACY = Style("#E64B35", "solid", "circle")
F1 = Style("#4DBBD5", "dash", "square")
TIME = Style("#3C5488", "dot", "triangle-up")


def accuracy_figure(settings: Sequence[Setting]) -> Figure:
    """Make figure 1: accuracy, F1 and inference time; several settings get a panel for each."""
    return Figure(
        name="1_accuracy",
        title="1. Accuracy against weights remaining",
        caption="Test accuracy and macro F1 at the early-stopping step (ES, the step with the "
        "lowest validation loss), and the time of inference, against the share of the prunable "
        "weights that is left.",
        panels=_panels_of_several(settings) if len(settings) > 1 else _panels_of_one(settings[0]),
    )


def _panels_of_one(setting: Setting) -> tuple[Panel, ...]:
    accuracy, f1, time = (
        replace(line_of_column(setting, x="remaining", y=column, look=look), label=label)
        for column, look, label in (
            ("test", ACCURACY, "test accuracy"),
            ("f1", F1, "test macro F1"),
            ("inference_ms", TIME, "inference time"),
        )
    )
    timed = (replace(time, on_right_axis=True),) if time.x else ()
    panel = Panel(
        x=remaining_axis([accuracy]),
        y=Axis("test accuracy, macro F1 (%)"),
        lines=(accuracy, f1, *timed),
        right=Axis(AXIS_LABELS["inference_ms"], from_zero=True) if timed else None,
    )
    return (_with_ticket(_with_dense(panel, [setting], "test"), setting, "remaining"),)


def _panels_of_several(settings: Sequence[Setting]) -> tuple[Panel, ...]:
    panels = []
    for column in ("test", "f1", "inference_ms"):
        lines = lines_of_settings(settings, x="remaining", y=column)
        axis = Axis(AXIS_LABELS[column], from_zero=column == "inference_ms")
        panel = Panel(remaining_axis(lines), axis, lines)
        panels.append(panel if column == "inference_ms" else _with_dense(panel, settings, column))
    return tuple(panels)


def parameters_figure(settings: Sequence[Setting]) -> Figure:
    """Make figure 2: accuracy against the number of parameters left."""
    return Figure(
        name="2_parameters",
        title="2. Accuracy against parameters",
        caption="Test accuracy at ES against the number of parameters left, with biases and "
        "with layers that are not pruned.",
        panels=(_panel_of_counts(settings, "params_remaining"),),
    )


def flops_figure(settings: Sequence[Setting], forests: Sequence[RunForests]) -> Figure | None:
    """Make figure 5: accuracy against FLOPs, also of forests; None if FLOPs were not measured."""
    if not any(setting.values("flops_remaining") for setting in settings):
        return None
    caption = (
        "Test accuracy at ES against the floating-point operations of one example's forward pass, "
        "without those of pruned weights."
    )
    lines = [line for of_run in forests for line in forest_lines(of_run)]
    if lines:
        caption += " Each forest has two points: on dense features, and left of it on pruned ones."
    panel = _panel_of_counts(settings, "flops_remaining", lines)
    return Figure(
        name="5_flops", title="5. Accuracy against FLOPs", caption=caption, panels=(panel,)
    )


def _panel_of_counts(
    settings: Sequence[Setting], column: str, others: Sequence[Line] = ()
) -> Panel:
    one = len(settings) == 1
    lines = lines_of_settings(settings, x=column, y="test")
    if one:
        lines = (replace(lines[0], label="test accuracy", style=ACCURACY),)
    lines = (*lines, *others)
    x_axis = count_axis(AXIS_LABELS[column], lines)
    panel = _with_dense(Panel(x_axis, Axis(AXIS_LABELS["test"]), lines), settings, "test")
    return _with_ticket(panel, settings[0], column) if one else panel


def _with_dense(panel: Panel, settings: Sequence[Setting], column: str) -> Panel:
    """Add the level of the dense network, if it is the same in all settings."""
    dense = {setting.means(column).get(0) for setting in settings}
    level = dense.pop()
    return panel if level is None or dense else replace(panel, level=(100 * level, "dense"))


def _with_ticket(panel: Panel, setting: Setting, column: str) -> Panel:
    """Mark the winning round."""
    remaining, x, test = (setting.means(name) for name in ("remaining", column, "test"))
    winner = setting.winning_round()
    if winner is None or winner not in x:
        return panel
    name = "winning ticket" if setting.role == WINNING_TICKET else "winning round"
    low, high = min(test.values()), max(test.values())
    note = Note(
        x=factor_of(column) * x[winner],
        y=100 * test[winner],
        text=f"{name} ({100 * remaining[winner]:.1f} %)",
        below=test[winner] >= (low + high) / 2,
        to_left=(2 * winner > max(x)) == panel.x.reverse,  # rounds go along the axis
    )
    return replace(panel, notes=(note,))

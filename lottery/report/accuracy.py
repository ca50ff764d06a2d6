"""Figures 1, 2 and 5: accuracy against weights, parameters and FLOPs."""

from collections.abc import Sequence
from dataclasses import replace

from lottery.report.figure import (
    Axis,
    Figure,
    Line,
    Note,
    Panel,
    Style,
    count_axis,
    on_right,
    remaining_axis,
)
from lottery.report.lines import against, lines_against
from lottery.report.roles import WINNING_TICKET
from lottery.report.settings import Setting
from lottery.report.verdicts import best_round

ACCURACY_LABEL = "test accuracy at ES (%)"
F1_LABEL = "test macro F1 at ES (%)"
TIME_LABEL = "inference (ms per example)"
# An earlier study's colours; red, sky and navy differ in lightness, to any colour vision.
ACCURACY, F1, TIME = (
    Style("#E64B35", "solid", "circle"),
    Style("#4DBBD5", "dash", "square"),
    Style("#3C5488", "dot", "triangle-up"),
)


def accuracy_figure(settings: Sequence[Setting], *, interval: bool) -> Figure:
    """Figure 1: accuracy, F1 and inference time against weights remaining.

    Args:
        settings: one gets one panel, with time by the right axis; several get a panel each.
        interval: whether bands are confidence intervals.
    """
    draw = _accuracy_of_one if len(settings) == 1 else _accuracy_of_several
    return Figure(
        "1_accuracy",
        "1. Accuracy against weights remaining",
        "Test accuracy and macro F1 at ES, and the time of inference, against the share of the "
        "prunable weights that is left.",
        draw(settings, interval=interval),
    )


def _accuracy_of_one(settings: Sequence[Setting], *, interval: bool) -> tuple[Panel, ...]:
    (setting,) = settings
    accuracy = _line(setting, "test", ACCURACY, label="test accuracy", interval=interval)
    f1 = _line(setting, "f1", F1, label="test macro F1", interval=interval)
    time = _line(setting, "inference_ms", TIME, label="inference time", interval=interval, scale=1)
    panel = Panel(
        "",
        remaining_axis([accuracy]),
        Axis("test accuracy, macro F1 (%)"),
        (accuracy, f1, on_right(time)) if time.x else (accuracy, f1),
        right=Axis(TIME_LABEL, from_zero=True) if time.x else None,
    )
    return (_with_ticket(_with_dense(panel, settings), setting, "remaining", 100),)


def _accuracy_of_several(settings: Sequence[Setting], *, interval: bool) -> tuple[Panel, ...]:
    panels = []
    for column, label, scale in (
        ("test", ACCURACY_LABEL, 100),
        ("f1", F1_LABEL, 100),
        ("inference_ms", TIME_LABEL, 1),
    ):
        lines = lines_against(settings, "remaining", column, scale=scale, interval=interval)
        axis = Axis(label, from_zero=column == "inference_ms")
        panel = Panel("", remaining_axis(lines), axis, lines)
        panels.append(_with_dense(panel, settings, column) if scale == 100 else panel)
    return tuple(panels)


def _line(
    setting: Setting,
    column: str,
    look: Style,
    *,
    label: str,
    interval: bool,
    scale: float = 100,
) -> Line:
    values = setting.summaries(column)
    return against(setting, "remaining", values, look, label=label, scale=scale, interval=interval)


def parameters_figure(settings: Sequence[Setting], *, interval: bool) -> Figure:
    """Figure 2: accuracy against the number of parameters left."""
    return Figure(
        "2_parameters",
        "2. Accuracy against parameters",
        "Test accuracy at ES against the number of parameters left, biases and layers that are "
        "not pruned included.",
        (_against(settings, "params_remaining", "parameters left", interval=interval),),
    )


def flops_figure(
    settings: Sequence[Setting], *, interval: bool, others: Sequence[Line] = ()
) -> Figure | None:
    """Figure 5: accuracy against FLOPs; None where no run has measured them.

    Args:
        settings: a line for each.
        interval: whether bands are confidence intervals.
        others: lines of forests on features.
    """
    known = [setting for setting in settings if setting.values("flops_remaining")]
    if not known:
        return None
    return Figure(
        "5_flops",
        "5. Accuracy against FLOPs",
        "Test accuracy at ES against the floating-point operations of one example's forward pass, "
        "those with pruned weights left out."
        + (" Of each forest: on dense features, and to their left on pruned ones." * bool(others)),
        (
            _against(
                *(settings, "flops_remaining", "FLOPs per example"),
                interval=interval,
                others=others,
            ),
        ),
    )


def _against(
    settings: Sequence[Setting],
    column: str,
    label: str,
    *,
    interval: bool,
    others: Sequence[Line] = (),
) -> Panel:
    one = len(settings) == 1
    lines = lines_against(settings, column, "test", scale=100, interval=interval)
    if one:
        lines = (replace(lines[0], label="test accuracy", style=ACCURACY),)
    lines = (*lines, *others)
    panel = Panel("", count_axis(label, lines), Axis(ACCURACY_LABEL), lines)
    panel = _with_dense(panel, settings)
    return _with_ticket(panel, settings[0], column, 1) if one else panel


def _with_dense(panel: Panel, settings: Sequence[Setting], column: str = "test") -> Panel:
    """The panel with the dense network's level, where all settings have the same one."""
    dense = {setting.means(column).get(0) for setting in settings}
    level = dense.pop()
    return panel if level is None or dense else replace(panel, level=(100 * level, "dense"))


def _with_ticket(panel: Panel, setting: Setting, column: str, scale: float) -> Panel:
    """The panel with the winning round marked on its first line."""
    remaining, x, test = (setting.means(name) for name in ("remaining", column, "test"))
    winner = best_round(setting.means("val"), remaining)
    if winner is None or winner not in x:
        return panel
    what = "winning ticket" if setting.role == WINNING_TICKET else "winning round"
    text = f"{what} ({100 * remaining[winner]:.1f} %)"
    low, high = min(test.values()), max(test.values())
    note = Note(
        scale * x[winner],
        100 * test[winner],
        text,
        below=test[winner] >= (low + high) / 2,
        to_left=(2 * winner > max(x)) == panel.x.reverse,  # rounds go along the axis
    )
    return replace(panel, notes=(note,))

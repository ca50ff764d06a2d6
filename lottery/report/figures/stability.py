"""Figures 7 and 8: the line between two copies of a network, and their instability."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lottery.record.score import Score
from lottery.report.figures.figure import (
    MAX_LINES,
    Axis,
    Figure,
    Line,
    Panel,
    line_of_means,
    remaining_axis,
    style,
)
from lottery.report.read.stability import (
    SPLIT_TITLES,
    STABLE_BELOW,
    AnalysedStep,
    batch_norm_note,
)

LEVEL = (100 * STABLE_BELOW, f"stable: below {100 * STABLE_BELOW:g} points")


def stability_figures(found: Sequence[AnalysedStep]) -> Iterator[Figure]:
    """Make figures 7 (error along the lines) and 8 (instability), if any run was analysed."""
    if not found:
        return
    drawn = found[:MAX_LINES]
    left_out = len(found) > MAX_LINES
    groups = _by_score(drawn)
    more = f" The first {MAX_LINES} of {len(found)} lines are drawn." if left_out else ""
    yield Figure(
        name="7_lines",
        title="7. Error on the line between two copies",
        caption="Two copies are trained from step k of a round to its end. They differ only in "
        "the order of the data. The band is over the pairs of copies of one seed, or over the "
        "means of several seeds. A flat line means that the network is "
        f"stable to the noise of SGD.{batch_norm_note(found)}{more}",
        panels=tuple(_line_panel(group, split) for group in groups for split in SPLIT_TITLES),
    )
    yield Figure(
        name="8_instability",
        title="8. Instability",
        caption="The highest error on the line minus the mean error at its ends. "
        f"Frankle et al. (2020) call a network stable below {LEVEL[0]:g} points of error.",
        panels=tuple(panel for group in groups for panel in _instability_panels(group)),
    )


def _by_score(steps: Sequence[AnalysedStep]) -> list[list[AnalysedStep]]:
    scores = dict.fromkeys(step.setting.score for step in steps)
    return [[step for step in steps if step.setting.score == score] for score in scores]


def _error_name(score: Score) -> str:
    """Name what the lines show, as `Score.error` has it: the less, the better."""
    if score.is_share:
        return "error (%)"
    return f"minus {score.metric}" if score.higher_is_better else score.metric


def _line_panel(steps: Sequence[AnalysedStep], split: str) -> Panel:
    score, lines = steps[0].setting.score, []
    for number, step in enumerate(steps):
        label = f"round {step.round} ({100 * step.remaining:.1f} %), k = {step.step}"
        label = f"{step.label}, {label}" if step.label else label
        look = replace(style(number), marker=None)  # thirty markers would hide the line
        errors = list(step.error(split).items())
        lines.append(line_of_means(label, errors, look, factor=score.shown(1)))
    return Panel(
        x=Axis("position between the copies", span=(0, 1)),
        y=Axis(_error_name(score)),
        lines=tuple(lines),
        title=SPLIT_TITLES[split],
    )


def _instability_panels(steps: Sequence[AnalysedStep]) -> Iterator[Panel]:
    """Draw against the step k if there are several, else against the weights remaining."""
    numbers, score = sorted({step.step for step in steps}), steps[0].setting.score
    for split in SPLIT_TITLES:
        lines = _instability_lines(steps, split, over_steps=len(numbers) > 1)
        yield Panel(
            title=SPLIT_TITLES[split],
            x=_step_axis(numbers) if len(numbers) > 1 else remaining_axis(lines),
            y=Axis(
                f"instability ({'points' if score.is_share else score.metric})", from_zero=True
            ),
            lines=tuple(lines),
            level=LEVEL if score.is_share else None,
        )


def _step_axis(steps: Sequence[int]) -> Axis:
    """Return an axis with a tick at each step, and a text where there is room."""
    last, named = steps[-1], list[int]()
    for step in steps:
        if not named or step - named[-1] >= 0.1 * last:
            named.append(step)
    ticks = tuple((float(step), str(step) if step in named else "") for step in steps)
    return Axis("k (step)", ticks=ticks, span=(-0.05 * last, 1.05 * last))


def _instability_lines(
    steps: Sequence[AnalysedStep], split: str, *, over_steps: bool
) -> list[Line]:
    """Return one line per round over the steps, or one per step over the weights remaining."""
    groups: dict[str, list[AnalysedStep]] = {}
    for step in steps:
        name = f"round {step.round}" if over_steps else f"k = {step.step}"
        groups.setdefault(f"{step.label}, {name}" if step.label else name, []).append(step)
    lines, factor = [], steps[0].setting.score.shown(1)
    for number, (label, group) in enumerate(groups.items()):
        points = [
            (float(step.step) if over_steps else 100 * step.remaining, step.barrier(split))
            for step in group
        ]
        lines.append(line_of_means(label, points, style(number), factor))
    return lines

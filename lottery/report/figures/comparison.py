"""Figure 6: settings side by side, and the ticket minus its controls."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lottery.record.score import Score
from lottery.report.figures.figure import (
    Axis,
    Figure,
    Panel,
    remaining_axis,
    score_axis,
    style,
)
from lottery.report.figures.lines import line_of_values, lines_of_settings, names_of_scores
from lottery.report.read.controls import Comparison
from lottery.report.read.groups import by_score
from lottery.report.read.settings import Setting


def comparison_figure(settings: Sequence[Setting], comparisons: Sequence[Comparison]) -> Figure:
    """Make figure 6: one line per setting, and one per control of a ticket among them."""
    interval = settings[0].band_is_interval
    band = "95 % confidence interval" if interval else "lowest to highest"
    measured = names_of_scores(settings)
    caption = f"Mean test {measured} over the seeds; the band is {band}."
    panels = []
    for score in by_score(settings):
        lines = lines_of_settings(settings, x="remaining", y="test", score=score)
        panels.append(Panel(remaining_axis(lines), score_axis(score), lines))
        compared = [pair for pair in comparisons if pair.ticket.score == score]
        panels += [_gains(settings, compared, score)] if compared else []
    if comparisons:
        caption += (
            f" Beside it: by how much the ticket's test {measured} is better than that of each "
            "control (above 0), at equal sparsity and paired by seed. There the band is the 95 % "
            "confidence interval of the mean difference."
        )
    return Figure(
        name="6_settings", title="6. Settings compared", caption=caption, panels=tuple(panels)
    )


def _gains(settings: Sequence[Setting], comparisons: Sequence[Comparison], score: Score) -> Panel:
    labels = [setting.label for setting in settings]
    times = Counter(pair.control for pair in comparisons)
    lines = []
    for pair in comparisons:
        look = style(labels.index(pair.draws[0].label))  # as in the other panel
        gains = pair.gains.summaries
        line = line_of_values(pair.ticket, x="remaining", values=gains, look=look)
        several = times[pair.control] > 1
        label = f"{pair.ticket.label} minus {pair.control}" if several else pair.control
        of_pair = tuple(draw.label for draw in pair.draws)
        lines.append(replace(line, label=label, settings=of_pair))
    return Panel(
        x=remaining_axis(lines),
        y=_gain_axis(score),
        lines=tuple(lines),
        level=(0, "no difference"),
    )


def _gain_axis(score: Score) -> Axis:
    unit = score.gain_unit
    return Axis(f"ticket minus control ({unit})" if score.higher_is_better else f"gain ({unit})")

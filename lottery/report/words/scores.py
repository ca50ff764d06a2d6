"""How scores and gains are written, by the metric of a run."""

import math

from lottery.record.score import ACCURACY, Score
from lottery.report.read.statistics import Summary
from lottery.report.words.table import NONE, plural

MOST = 100  # a larger ratio is not written out; intervals of two seeds can be beyond any float


def with_unit(score: Score, value: float) -> str:
    """Write a value for a sentence: 96.30 %, or 2.31 of a score that is no share."""
    return f"{score.format(value)} {score.unit}".rstrip()


def column(score: Score, words: str) -> str:
    """Head a column of a table, as "test %" and "test RMSE"; accuracy needs no name.

    Example:
        >>> column(ACCURACY, "test"), column(Score("RMSE", False, is_share=False), "test")
        ('test %', 'test RMSE')
    """
    metric = "" if score == ACCURACY else f" {score.metric}"
    return f"{words}{metric} {score.unit}".rstrip()


def gain_column(score: Score, who: str, other: str) -> str:
    """Head a column of gains: in points of a share, in the unit of any other score.

    Example:
        >>> gain_column(ACCURACY, "ticket", "control")
        'ticket minus control, points'
        >>> gain_column(Score("RMSE", False, is_share=False), "ticket", "control")
        'gain over control, RMSE'
    """
    words = f"{who} minus {other}".strip() if score.higher_is_better else f"gain over {other}"
    return f"{words}, {score.gain_unit}"


def format_gain(score: Score, value: float) -> str:
    """Write a gain with its sign: two decimals of points, three digits of any other score."""
    if score.is_share:
        return f"{round(value, 2) + 0.0:+.2f}"  # -0.001 becomes +0.00
    return f"{value:+.3g}"


def format_interval(score: Score, summary: Summary) -> str:
    """Write a confidence interval of gains; one seed has none, and equal gains vary unseen."""
    if summary.count < 2:
        return NONE
    if summary.all_equal:
        return "all equal"
    low, high = summary.interval
    return f"{format_gain(score, low)} to {format_gain(score, high)}"


def describe_gain(score: Score, summary: Summary) -> str:
    """Write a mean gain with its confidence interval, for a sentence."""
    better = "" if score.higher_is_better else "a gain of "
    gain = f"{better}{format_gain(score, summary.mean)}{' points' if score.is_share else ''}"
    if summary.all_equal:
        return f"{gain} (the same in all {summary.count} seeds)"
    interval = f"95 % interval {format_interval(score, summary)}, " if summary.count > 1 else ""
    return f"{gain} ({interval}{plural(summary.count, 'seed')})"


def describe_ratio(log_ratio: Summary, whose: str) -> str:
    """Write a ratio with its confidence interval, given its logarithms, for a sentence."""
    ratio, seeds = format_ratio(log_ratio.mean), plural(log_ratio.count, "seed")
    if log_ratio.count < 2:
        return f"{ratio} times {whose} ({seeds})"
    return f"{ratio} times {whose} (95 % interval {format_ratios(log_ratio)}, {seeds})"


def format_ratios(log_ratio: Summary) -> str:
    """Write the confidence interval of a ratio, given its logarithms."""
    low, high = map(format_ratio, log_ratio.interval)
    return f"{low} to {high}"


def format_ratio(logarithm: float) -> str:
    """Write a ratio, given its logarithm."""
    return f"{math.exp(logarithm):.2f}" if logarithm < math.log(MOST) else f"over {MOST}"


def format_margin(score: Score, margin: float) -> str:
    """Write the margin of matching with its unit."""
    return f"{margin:.3g} {score.gain_unit}"

"""How scores and gains are written, by the metric of a run."""

from lottery.record.score import ACCURACY, Score
from lottery.report.read.statistics import Summary
from lottery.report.words.table import NONE, plural


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


def gain_column(score: Score, words: str) -> str:
    """Head a column of gains: in points of a share, in the unit of any other score."""
    return f"{words}, points" if score.is_share else f"{words}, {score.metric}"


def format_gain(score: Score, value: float) -> str:
    """Write a gain with its sign: two decimals of points, three digits of any other score."""
    if score.is_share:
        return f"{round(value, 2) + 0.0:+.2f}"  # -0.001 becomes +0.00
    return f"{value:+.3g}"


def format_interval(score: Score, summary: Summary) -> str:
    """Write a confidence interval of gains; one seed has none."""
    if summary.count < 2:
        return NONE
    low, high = summary.interval
    return f"{format_gain(score, low)} to {format_gain(score, high)}"


def describe_gain(score: Score, summary: Summary) -> str:
    """Write a mean gain with its confidence interval, for a sentence."""
    interval = f"95 % interval {format_interval(score, summary)}, " if summary.count > 1 else ""
    gain = f"{format_gain(score, summary.mean)}{' points' if score.is_share else ''}"
    better = "" if score.higher_is_better else "a gain of "
    return f"{better}{gain} ({interval}{plural(summary.count, 'seed')})"

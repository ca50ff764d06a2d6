"""Paired t tests over seeds: p-values, Holm's correction for several tests, and power."""

import math
from collections.abc import Sequence

from lottery.report.read.statistics import LEVEL, Summary

MOST_SEEDS = 1000


def p_value(summary: Summary) -> float:
    """Return the two-sided p-value that the mean is 0; 1 for fewer than two values.

    Example:
        >>> from lottery.report.read.statistics import summarise
        >>> round(p_value(summarise([1.0, 2.0, 3.0])), 4)  # t = 3.464, two degrees of freedom
        0.0742
    """
    if summary.count < 2 or not summary.mean:
        return 1.0
    if not summary.sd:
        return 0.0
    from scipy.special import stdtr  # see `summarise`

    t = abs(summary.mean) / (summary.sd / math.sqrt(summary.count))
    return float(2 * stdtr(summary.count - 1, -t))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for several tests by Holm (1979), in the given order.

    The smallest is multiplied by the number of tests, the next by one less, and so on; none is
    less than a smaller one's, and none is above 1.

    Example:
        >>> holm([0.03, 0.01, 0.04])
        [0.06, 0.03, 0.06]
    """
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[number]))
        corrected[number] = least
    return corrected


def power(difference: float, sd: float, seeds: int) -> float:
    """Return the probability that a paired t test sees a difference, on its own side.

    Args:
        difference: the true one, positive.
        sd: standard deviation of one seed's difference.
        seeds: their number, at least 2.

    Example:
        >>> round(power(0.3, 0.16, 3), 2), round(power(0.3, 0.16, 7), 2)
        (0.43, 0.98)
    """
    from scipy.special import nctdtr, stdtrit  # see `summarise`

    if not sd:
        return 1.0
    limit = stdtrit(seeds - 1, (1 + LEVEL) / 2)
    return float(1 - nctdtr(seeds - 1, difference / sd * math.sqrt(seeds), limit))


def seeds_for(difference: float, sd: float, probability: float) -> int | None:
    """Return how many seeds see a difference with some probability; None for over a thousand."""
    numbers = range(2, MOST_SEEDS + 1)
    return next((n for n in numbers if power(difference, sd, n) >= probability), None)

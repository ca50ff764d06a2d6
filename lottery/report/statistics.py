"""Means over seeds, their bands, and 95 % confidence intervals by Student's t."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Summary:
    """Some values, one per seed, in short."""

    count: int
    mean: float
    lowest: float
    highest: float
    half_width: float  # of the confidence interval of the mean; NaN for fewer than two values

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean."""
        return self.mean - self.half_width, self.mean + self.half_width


def summarise(values: Sequence[float]) -> Summary:
    """Mean, extremes and confidence interval.

    Raises:
        ValueError: there are no values.

    Example:
        >>> summary = summarise([1.0, 2.0, 3.0])  # standard deviation 1, t = 4.303
        >>> round(summary.mean, 3), round(summary.half_width, 3)
        (2.0, 2.484)
    """
    if not values:
        raise ValueError("values: at least one")
    mean = math.fsum(values) / len(values)
    return Summary(len(values), mean, min(values), max(values), _half_width(values, mean))


def _half_width(values: Sequence[float], mean: float) -> float:
    degrees = len(values) - 1
    if degrees < 1:
        return math.nan
    from scipy.special import stdtrit  # a third of a second, for runs of several seeds only

    variance = math.fsum((value - mean) ** 2 for value in values) / degrees
    quantile = float(stdtrit(degrees, (1 + LEVEL) / 2))
    return quantile * math.sqrt(variance / len(values))

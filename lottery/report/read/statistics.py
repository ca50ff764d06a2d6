"""Means over seeds, with bands for figures and 95 % confidence intervals by Student's t."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Summary:
    """Count, mean and spread of some values, one value per seed."""

    count: int
    mean: float
    lowest: float
    highest: float
    half_width: float  # of the confidence interval of the mean; NaN for fewer than two values
    band_is_interval: bool  # the band of a figure: the confidence interval, or lowest to highest

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean."""
        return self.mean - self.half_width, self.mean + self.half_width

    @property
    def band(self) -> tuple[float, float]:
        """Lower and upper end of the band that a figure draws; one value has no width."""
        if not self.band_is_interval or self.count < 2:
            return self.lowest, self.highest
        return self.interval


def summarise(values: Sequence[float], *, band_is_interval: bool = False) -> Summary:
    """Return the mean of some values, one per seed, with their spread.

    Example:
        >>> summary = summarise([1.0, 2.0, 3.0])  # standard deviation 1, t = 4.303
        >>> round(summary.mean, 3), round(summary.half_width, 3), summary.band
        (2.0, 2.484, (1.0, 3.0))
    """
    mean = math.fsum(values) / len(values)
    return Summary(
        count=len(values),
        mean=mean,
        lowest=min(values),
        highest=max(values),
        half_width=_half_width(values, mean),
        band_is_interval=band_is_interval,
    )


def _half_width(values: Sequence[float], mean: float) -> float:
    degrees = len(values) - 1
    if degrees < 1:
        return math.nan
    from scipy.special import stdtrit  # a third of a second, for runs of several seeds only

    variance = math.fsum((value - mean) ** 2 for value in values) / degrees
    quantile = float(stdtrit(degrees, (1 + LEVEL) / 2))
    return quantile * math.sqrt(variance / len(values))

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
    sd: float  # standard deviation, at least what was asked for; NaN for fewer than two values
    lowest: float
    highest: float
    interval: tuple[float, float]  # for the mean, 95 % confidence; NaN for fewer than two values
    band: tuple[float, float]  # that a figure draws: the interval, or lowest to highest

    @property
    def all_equal(self) -> bool:
        """Whether there are several values and they agree to nine digits."""
        spread = self.highest - self.lowest
        return self.count > 1 and spread <= 1e-9 * max(1.0, abs(self.mean))


def summarise(
    values: Sequence[float],
    *,
    deviations: Sequence[float] | None = None,
    band_is_interval: bool = False,
    least_sd: float = 0.0,
) -> Summary:
    """Return the mean of one or more values with their spread.

    Args:
        values: one value per seed.
        deviations: how far each value is from what it was expected to be; None: from the mean.
        band_is_interval: whether figures draw the interval instead of lowest to highest.
        least_sd: what the standard deviation is at least, because the values are rounded.

    Example:
        >>> summary = summarise([1.0, 2.0, 3.0])  # standard deviation 1, t = 4.303
        >>> round(summary.mean, 3), round(summary.interval[1], 3), summary.band
        (2.0, 4.484, (1.0, 3.0))
    """
    mean, sd, half = math.fsum(values) / len(values), math.nan, math.nan
    if (degrees := len(values) - 1) > 0:
        from scipy.special import stdtrit  # a third of a second, for runs of several seeds only

        if deviations is None:
            deviations = [value - mean for value in values]
        variance = math.fsum(deviation**2 for deviation in deviations) / degrees
        sd = max(math.sqrt(variance), least_sd)
        half = float(stdtrit(degrees, (1 + LEVEL) / 2)) * sd / math.sqrt(len(values))
    interval, extremes = (mean - half, mean + half), (min(values), max(values))
    return Summary(
        count=len(values),
        mean=mean,
        sd=sd,
        lowest=extremes[0],
        highest=extremes[1],
        interval=interval,
        band=interval if band_is_interval and degrees else extremes,
    )

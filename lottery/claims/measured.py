"""What rules share: networks of arms, bounds, units, and the answer that there is no answer."""

import math
from dataclasses import dataclass

from lottery.report.read.statistics import Summary

DENSE = 100.0  # percent of the weights left


class CannotSay(Exception):
    """A rule cannot be measured; the message says which runs, seeds or pieces are missing."""


@dataclass(frozen=True)
class Place:
    """The networks of an arm with a share of their weights left, one per seed."""

    arm: str
    percent: float

    def __post_init__(self) -> None:
        if not 0 < self.percent <= DENSE:
            raise ValueError(f"{self.arm}: {self.percent:g} % of the weights left; above 0 to 100")

    def __str__(self) -> str:
        if self.percent == DENSE:
            return f"{self.arm}'s dense network"
        return f"{self.arm} at {self.percent:g} %"


@dataclass(frozen=True)
class Bound:
    """What the true value must be above, or below, or between."""

    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise ValueError("above or below is missing")

    def words(self, unit: str) -> str:
        """Write the bound with its unit.

        Example:
            >>> Bound(above=0.2).words("points"), Bound(0.75, 1.3).words("times")
            ('above 0.2 points', 'above 0.75 and below 1.3 times')
        """
        sides = {"above": self.above, "below": self.below}
        said = [f"{name} {value:g}" for name, value in sides.items() if value is not None]
        return f"{' and '.join(said)} {unit}".rstrip()


@dataclass(frozen=True)
class Unit:
    """How values of a rule are written; of ratios the logarithms are summarised."""

    name: str
    form: str = ".2f"
    is_ratio: bool = False

    def shown(self, value: float) -> float:
        """Return a summarised value in the unit; a ratio beyond all floats is infinite."""
        if not self.is_ratio:
            return value
        return math.exp(value) if value < 700 else math.inf

    def bound(self, bound: Bound) -> Bound:
        """Return a bound as values are summarised."""
        if not self.is_ratio:
            return bound
        above, below = (v and math.log(v) for v in (bound.above, bound.below))
        return Bound(above, below)

    def describe(self, summary: Summary) -> str:
        """Write a mean with its interval: "+0.42 (+0.10 to +0.74) points"."""
        mean = format(self.shown(summary.mean), self.form)
        if summary.all_equal:
            return f"{mean} {self.name} (the same in all {summary.count} seeds)"
        low, high = (format(self.shown(end), self.form) for end in summary.interval)
        return f"{mean} ({low} to {high}) {self.name}"


POINTS = Unit("points", "+.2f")
TIMES = Unit("times", is_ratio=True)

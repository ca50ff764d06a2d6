"""Rules about what `lottery-stability` has measured of the runs."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lottery.claims.arms import Arms
from lottery.claims.measured import POINTS, TIMES, Bound, CannotSay, Place, Unit
from lottery.report.read.statistics import Summary, summarise

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Instability:
    """The test error barrier between two copies of a network, in points.

    The copies start from the first step of the round and differ in the order of the data. The
    pairs of a seed count as their mean.
    """

    of: Place
    bound: Bound

    unit = POINTS

    @property
    def places(self) -> tuple[Place, ...]:
        """The networks that it looks at."""
        return (self.of,)

    @property
    def words(self) -> str:
        """What is measured."""
        return f"instability of {self.of}"

    def measure(self, arms: Arms) -> Summary:
        """Summarise the barriers over the seeds."""
        barriers = _by_seed(arms, self.of, "barrier_test")
        return summarise([100 * barriers[seed] for seed in arms.seeds], band_is_interval=True)


@dataclass(frozen=True)
class Distance:
    """The distance (L2) between the two copies of a network, divided by that of another one."""

    of: Place
    over: Place
    bound: Bound

    unit = TIMES

    @property
    def places(self) -> tuple[Place, ...]:
        """The networks that it looks at."""
        return (self.of, self.over)

    @property
    def words(self) -> str:
        """What is measured."""
        return f"distance between copies of {self.of} divided by that of {self.over}"

    def measure(self, arms: Arms) -> Summary:
        """Summarise the logarithms of the ratios over the seeds."""
        own, other = (_by_seed(arms, place, "l2") for place in self.places)
        if not all(own[seed] > 0 and other[seed] > 0 for seed in arms.seeds):
            raise CannotSay("two copies are the same network")
        ratios = [math.log(own[seed] / other[seed]) for seed in arms.seeds]
        return summarise(ratios, band_is_interval=True)


@dataclass(frozen=True)
class Untrained:
    """The test score, in percent, of the untrained weights under the mask (a supermask)."""

    of: Place
    bound: Bound

    unit = Unit("%")

    @property
    def places(self) -> tuple[Place, ...]:
        """The networks that it looks at."""
        return (self.of,)

    @property
    def words(self) -> str:
        """What is measured."""
        return f"untrained test accuracy of {self.of}"

    def measure(self, arms: Arms) -> Summary:
        """Summarise the scores over the seeds."""
        step = arms.analysed(self.of)
        table = step.untrained
        rows = table[(table["split"] == "test") & (table["weights"] == "masked")]
        scores = _mean_by_seed(rows, arms.score.metric)
        lacking = [seed for seed in arms.seeds if seed not in scores]
        if lacking:
            raise CannotSay(f"{self.of}: untrained.csv lacks seeds {lacking}")
        return summarise([arms.score.shown(scores[s]) for s in arms.seeds], band_is_interval=True)


def _by_seed(arms: Arms, place: Place, column: str) -> dict[int, float]:
    pairs = arms.analysed(place).pairs
    return _mean_by_seed(pairs[pairs["pair"] < arms.pairs], column)


def _mean_by_seed(table: "pd.DataFrame", column: str) -> dict[int, float]:
    means = table[column].groupby(table["seed"]).mean()
    return dict(zip(map(int, means.index), map(float, means), strict=True))

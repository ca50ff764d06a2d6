"""Rules about what networks reach, and how fast."""

from dataclasses import dataclass

from lottery.claims.arms import Arms
from lottery.claims.measured import DENSE, POINTS, TIMES, Bound, CannotSay, Place
from lottery.report.read.pairing import Values
from lottery.report.read.resolution import ROUNDED, one_example
from lottery.report.read.speed import pooled_ratios
from lottery.report.read.statistics import Summary, summarise

COLUMNS = {"es": "test", "end": "test_last"}


@dataclass(frozen=True)
class Gain:
    """By how many points one test score is better than another, paired by seed.

    Attributes:
        of: the network that is looked at.
        over: the one that it is compared with.
        bound: of the gain.
        at: es, at the step with the lowest validation loss, or end, after the last step.
    """

    of: Place
    over: Place
    bound: Bound
    at: str = "es"

    unit = POINTS

    def __post_init__(self) -> None:
        if self.at not in COLUMNS:
            raise ValueError(f"at is {self.at!r}; one of {', '.join(COLUMNS)}")

    @property
    def places(self) -> tuple[Place, ...]:
        """The networks that it looks at."""
        return (self.of, self.over)

    @property
    def words(self) -> str:
        """What is measured."""
        when = "" if self.at == "es" else " after the last step"
        return f"test accuracy{when} of {self.of} minus that of {self.over}"

    def measure(self, arms: Arms) -> Summary:
        """Summarise the gains over the seeds; see `Gains` of the report."""
        own, other = (arms.column(place, COLUMNS[self.at]) for place in self.places)
        step = one_example([*own.values(), *other.values()])
        return summarise(
            [arms.score.shown(arms.score.gain(own[s], other[s])) for s in arms.seeds],
            band_is_interval=True,
            least_sd=ROUNDED * arms.score.shown(step),
        )


@dataclass(frozen=True)
class Speed:
    """The early-stopping step (ES) of one network divided by that of another.

    It is pooled over the round and its neighbours, as far as both have them. A pruned network is
    compared with the dense one, or with one of as many weights.
    """

    of: Place
    over: Place
    bound: Bound

    unit = TIMES

    def __post_init__(self) -> None:
        if self.of.percent == DENSE:
            raise ValueError("of is dense; put it into over")

    @property
    def places(self) -> tuple[Place, ...]:
        """The networks that it looks at."""
        return (self.of, self.over)

    @property
    def words(self) -> str:
        """What is measured."""
        return f"ES of {self.of} divided by that of {self.over}"

    def measure(self, arms: Arms) -> Summary:
        """Summarise ln(ES / other ES) over the seeds; see `pooled_ratios` of the report."""
        rounds, others = (arms.rounds(place) for place in self.places)
        picks = {seed: rounds[0, seed] for seed in arms.seeds}
        es, other = (arms.es_by_round(place.arm) for place in self.places)
        shift = others[0, arms.seeds[0]] - rounds[0, arms.seeds[0]]
        if {others[0, seed] - number for seed, number in picks.items()} != {shift}:
            raise CannotSay(f"{self.of.arm}: the seeds have {self.of.percent:g} % in other rounds")
        if self.over.percent == DENSE:
            other = dict.fromkeys(es, other[0])
        else:
            other = {number - shift: values for number, values in other.items()}
        grid = arms.setting(self.of.arm).evaluation_grid
        ratio = pooled_ratios(_of(es, arms), _of(other, arms), picks, grid)
        if ratio is None:
            raise CannotSay("the networks were evaluated only once, so they have no ES")
        return ratio


def _of(values: Values, arms: Arms) -> Values:
    """Return the rounds that all seeds have."""
    return {n: found for n, found in values.items() if found.keys() >= set(arms.seeds)}

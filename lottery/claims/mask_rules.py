"""Rules about masks, for which nothing need be trained well."""

from dataclasses import dataclass

from lottery.claims.arms import Arms
from lottery.claims.measured import Bound, CannotSay, Place, Unit
from lottery.record.schema import Record
from lottery.report.read.statistics import Summary, summarise

LAYERS = {"some": Bound(above=0.5), "none": Bound(below=0.5)}


@dataclass(frozen=True)
class Left:
    """The share of weights that is left after some rounds, in percent."""

    of: str
    round: int
    bound: Bound

    unit = Unit("%", ".2f")

    @property
    def places(self) -> tuple[Place, ...]:
        """The networks that it looks at."""
        return (Place(self.of, 100.0),)

    @property
    def words(self) -> str:
        """What is measured."""
        return f"weights left of {self.of} after {self.round} rounds"

    def measure(self, arms: Arms) -> Summary:
        """Summarise the shares over the seeds."""
        arms.rounds(self.places[0])  # all runs are there
        left = []
        for seed in arms.seeds:
            share = arms.found[self.of][0][seed].values("remaining").get(self.round)
            if share is None:
                raise CannotSay(f"{self.of}: no round {self.round} in seed {seed}")
            left.append(100 * share)
        return summarise(left, band_is_interval=True)


@dataclass(frozen=True)
class Emptied:
    """Whether pruning leaves a layer without any weight (layer collapse), in every seed.

    Attributes:
        of: the pruned network.
        layers: some, if a layer is said to be empty, or none.
    """

    of: Place
    layers: str

    unit = Unit("of the seeds", ".0%")

    def __post_init__(self) -> None:
        if self.layers not in LAYERS:
            raise ValueError(f"layers is {self.layers!r}; one of {', '.join(LAYERS)}")

    @property
    def bound(self) -> Bound:
        """Of the share of seeds in which a layer is empty."""
        return LAYERS[self.layers]

    @property
    def places(self) -> tuple[Place, ...]:
        """The networks that it looks at."""
        return (self.of,)

    @property
    def words(self) -> str:
        """What is measured."""
        return f"a layer of {self.of} is empty"

    def measure(self, arms: Arms) -> Summary:
        """Summarise 1 for each seed with an empty layer and 0 for the others."""
        found = arms.values(self.of, _has_empty_layer)
        return summarise(list(found.values()), band_is_interval=True)


def _has_empty_layer(record: Record) -> float:
    return float(any(counts["remaining"] == 0 for counts in record["layers"].values()))

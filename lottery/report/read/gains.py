"""The gains of one network over another, by seed: in every round, and in those that are judged."""

from dataclasses import dataclass
from functools import cached_property

from lottery.report.read.pairing import Values, summarise_picked
from lottery.report.read.resolution import ROUNDED
from lottery.report.read.statistics import Summary, summarise


@dataclass(frozen=True)
class Judged:
    """What one verdict is about: a gain of each seed, each in its round."""

    rounds: dict[int, int]  # seed -> round
    summary: Summary

    @property
    def round(self) -> int | None:
        """The round, if it is the same for all seeds."""
        rounds = set(self.rounds.values())
        return rounds.pop() if len(rounds) == 1 else None


@dataclass(frozen=True)
class Gains:
    """By how much a network is better than another one in the test score at ES.

    Attributes:
        values: round -> seed -> gain, the same seeds in every round. Gains of shares are in
            points, others in the score's own unit; positive is better.
        picks: the best round of each seed, by the other seeds' validation.
        step: what one test example is worth; 0 if that is not known.
    """

    values: Values
    picks: dict[int, int]
    step: float = 0.0

    @property
    def seeds(self) -> list[int]:
        """The seeds that are compared."""
        return sorted(self.picks)

    @cached_property
    def summaries(self) -> dict[int, Summary]:
        """The gains by round; their band is always the confidence interval."""
        return {
            number: summarise(list(g.values()), band_is_interval=True, least_sd=self._least_sd)
            for number, g in self.values.items()
        }

    @cached_property
    def best(self) -> Judged:
        """The gain of each seed in its best round."""
        summary = summarise_picked(self.values, self.picks, least_sd=self._least_sd)
        return Judged(self.picks, summary)

    @property
    def judged(self) -> list[Judged]:
        """The best rounds, and the last round, which no data chose."""
        last = max(self.values)
        at_end = Judged(dict.fromkeys(self.seeds, last), self.summaries[last])
        return [self.best] if self.best.round == last else [self.best, at_end]

    @property
    def _least_sd(self) -> float:
        return ROUNDED * self.step

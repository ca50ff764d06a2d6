"""The gains of one network over another, by seed: in every round, and in those that are judged."""

from dataclasses import dataclass
from functools import cached_property

from lottery.report.read.pairing import Values
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
        return {number: self._summarise(list(g.values())) for number, g in self.values.items()}

    @cached_property
    def best(self) -> Judged:
        """The gain of each seed in its best round.

        Its deviation is that from the mean gain of that round over all seeds: rounds of another
        level do not make the gains vary more.
        """
        gains = [self.values[number][seed] for seed, number in self.picks.items()]
        levels = [self.summaries[number].mean for number in self.picks.values()]
        deviations = [gain - level for gain, level in zip(gains, levels, strict=True)]
        return Judged(self.picks, self._summarise(gains, deviations))

    @property
    def judged(self) -> list[Judged]:
        """The best rounds, and the last round, which no data chose."""
        last = max(self.values)
        at_end = Judged(dict.fromkeys(self.seeds, last), self.summaries[last])
        return [self.best] if self.best.round == last else [self.best, at_end]

    def _summarise(self, gains: list[float], deviations: list[float] | None = None) -> Summary:
        return summarise(
            gains, deviations=deviations, band_is_interval=True, least_sd=ROUNDED * self.step
        )

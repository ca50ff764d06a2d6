"""The runs of a claim's arms, and their values by seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lottery.claims.measured import CannotSay, Place
from lottery.record.opened_run import OpenedRun
from lottery.record.schema import Record
from lottery.record.score import Score
from lottery.report.read.pairing import Values
from lottery.report.read.settings import Setting
from lottery.report.read.stability import AnalysedStep, find_analysed_steps

NEAR = 0.05  # of the share of weights that is asked for; a round removes 20 %


@dataclass(frozen=True)
class Arms:
    """What was found of the runs that a claim needs.

    Attributes:
        found: by arm, for each draw the runs by seed.
        seeds: those that the claim names; all must be there.
        pairs: of copies, in each analysis of stability.
        problems: why runs could not be read.
    """

    found: Mapping[str, Sequence[Mapping[int, OpenedRun]]]
    seeds: Sequence[int]
    pairs: int = 1
    problems: Sequence[str] = ()

    @cached_property
    def score(self) -> Score:
        """What all runs measure."""
        runs = [run for draws in self.found.values() for draw in draws for run in draw.values()]
        scores = {run.score for run in runs}
        if len(scores) > 1:
            raise CannotSay(f"the runs measure {' and '.join(sorted(s.metric for s in scores))}")
        return scores.pop() if scores else Score()

    def values(self, place: Place, of: Callable[[Record], float]) -> dict[int, float]:
        """Return a value of each seed's network; draws of a control count as their mean."""
        numbers = self.rounds(place)
        return {
            seed: _mean([of(run.record(n)) for run, n in self._of_seed(place.arm, seed, numbers)])
            for seed in self.seeds
        }

    def column(self, place: Place, name: str) -> dict[int, float]:
        """Return a column of results.csv, as `values`."""
        return self.values(place, lambda record: float(record["row"][name]))  # type: ignore[literal-required]  # rules name columns that are there

    def rounds(self, place: Place) -> dict[tuple[int, int], int]:
        """Return the round with this share of the weights left, by draw and seed.

        Raises:
            CannotSay: a draw or a seed has none.
        """
        found, lacking = {}, []
        for draw, runs in enumerate(self._draws(place.arm)):
            for seed in self.seeds:
                near = _nearest(runs[seed], place) if seed in runs else None
                if near is None:
                    lacking.append(seed)
                else:
                    found[draw, seed] = near
        if lacking:
            share = f"{place.percent:g} % of the weights"
            raise CannotSay(f"{place.arm}: no round with {share} in {_seeds(lacking)}")
        return found

    def es_by_round(self, arm: str) -> Values:
        """Return ES by round and seed, of the rounds that all draws of a seed have."""
        draws, found = self._draws(arm), dict[int, dict[int, float]]()
        for seed in self.seeds:
            by_draw = [runs[seed].values("ES") for runs in draws]
            for number in set.intersection(*(set(values) for values in by_draw)):
                es = _mean([values[number] for values in by_draw])
                found.setdefault(number, {})[seed] = es
        return found

    def setting(self, arm: str) -> Setting:
        """Return the runs of an arm's first draw as the report has them."""
        runs = self._draws(arm)[0]
        return Setting(tuple(runs[seed] for seed in self.seeds))

    def analysed(self, place: Place) -> AnalysedStep:
        """Return the analysis of stability of a place, from the first step of its round on."""
        numbers = set(self.rounds(place).values())
        steps, problems = find_analysed_steps([self.setting(place.arm)])
        of_round = [step for step in steps if step.round in numbers]
        lacking = f"{place}: lottery-stability has not analysed it in"
        if not of_round:
            raise CannotSay("; ".join([f"{lacking} {_seeds(self.seeds)}", *problems]))
        step = min(of_round, key=lambda one: one.step)
        short = [
            seed for seed in self.seeds if len(step.pairs[step.pairs["seed"] == seed]) < self.pairs
        ]
        if short:
            raise CannotSay(f"{lacking} {_seeds(short)} by {self.pairs} pairs")
        return step

    def _draws(self, arm: str) -> Sequence[Mapping[int, OpenedRun]]:
        draws = self.found[arm]
        lacking = sorted({seed for runs in draws for seed in self.seeds if seed not in runs})
        if lacking:
            raise CannotSay("; ".join([f"{arm}: no run of {_seeds(lacking)}", *self.problems]))
        return draws

    def _of_seed(
        self, arm: str, seed: int, numbers: Mapping[tuple[int, int], int]
    ) -> list[tuple[OpenedRun, int]]:
        draws = self.found[arm]
        return [(runs[seed], numbers[draw, seed]) for draw, runs in enumerate(draws)]


def _nearest(run: OpenedRun, place: Place) -> int | None:
    left = {n: 100 * share for n, share in run.values("remaining").items()}
    distances = {n: abs(percent / place.percent - 1) for n, percent in left.items()}
    near = [n for n, distance in distances.items() if distance <= NEAR]
    return min(near, key=distances.__getitem__, default=None)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _seeds(seeds: Sequence[int]) -> str:
    noun = "seed" if len(seeds) == 1 else "seeds"
    return f"{noun} {', '.join(map(str, sorted(set(seeds))))}"

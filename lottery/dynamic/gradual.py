"""Gradual magnitude pruning: a round that begins dense, and is pruned while it trains."""

from dataclasses import dataclass
from typing import ClassVar

from lottery.arguments import check_flag
from lottery.dynamic.interface import Moment, Quota, Span, Stage
from lottery.dynamic.schedules import check_every, check_part, cubic
from lottery.masks import Masks
from lottery.pruning import Keep


@dataclass(frozen=True)
class Gmp:
    """Prune along a cubic schedule (GMP, Zhu & Gupta 2017), by the run's criterion and scope.

    The weights left at step t are those at the end, and (1 - (t - a) / (b - a))^3 of those that
    are still to go; the first update at a + `every` prunes the most. The round ends with as many
    weights as any other round of the run.

    Args:
        every: steps between updates; a duration.
        begin: a, as a share of the round's steps, from 0 to 1.
        end: b, as a share of them; the last update is the last one that fits before or at b.
        restart: whether the schedule of the learning rate begins again at each update.
    """

    durations: ClassVar[tuple[str, ...]] = ("every",)
    starts_dense: ClassVar[bool] = True

    every: int
    begin: float
    end: float
    restart: bool = False

    def __post_init__(self) -> None:
        check_every(self.every)
        check_part("begin", self.begin, at_least_0=True)
        check_part("end", self.end)
        check_flag("restart", self.restart)

    def steps(self, span: Span) -> list[int]:
        """Return every `every`-th step after `begin`, up to `end`."""
        begin = span.at(self.begin)
        return list(range(begin + self.every, span.at(self.end) + 1, self.every))

    def settled(self, span: Span) -> int:
        """Return the step `end`."""
        return span.at(self.end)

    def keep(self, stage: Stage) -> Keep:
        """Return the weights that are left after the update."""
        begin, end = stage.span.at(self.begin), stage.span.at(self.end)
        share = (stage.step - begin) / ((end - begin) // self.every * self.every)
        in_all = sum(stage.start.values())
        return {
            name: cubic(stage.start.get(name, in_all), target, share)
            for name, target in stage.target.items()
        }

    def quota(self, stage: Stage) -> Quota:
        """Return how many weights go; none comes."""
        return pruned_to(stage, self.keep(stage))

    def __call__(self, moment: Moment) -> Masks:
        """Prune to the schedule's counts."""
        return moment.prune(moment.trained, self.keep(moment.stage))


def pruned_to(stage: Stage, keep: Keep) -> Quota:
    """Return how many weights go if so many are kept; none comes."""
    in_all = sum(stage.alive.values())
    dropped = {name: stage.alive.get(name, in_all) - left for name, left in keep.items()}
    return Quota(dropped, dict.fromkeys(dropped, 0))

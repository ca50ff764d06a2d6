"""AC/DC: phases of few weights and phases of all weights take turns."""

from dataclasses import dataclass
from typing import ClassVar

from lottery.dynamic.gradual import pruned_to
from lottery.dynamic.interface import Moment, Quota, Span, Stage
from lottery.dynamic.schedules import check_part
from lottery.masks import Masks


@dataclass(frozen=True)
class AcDc:
    """Alternate compressed and dense phases (AC/DC, Peste et al. 2021).

    A round begins dense. A compressed phase begins by pruning to the round's last number of
    weights, by the run's criterion and scope; a dense phase begins with all weights that the round
    began with. Those that come back are 0, and the whole optimizer starts afresh, as in the
    authors' code. There are as many pairs of phases as fit between `begin` and `end`; the last
    dense phase lasts until `end`, where the round is pruned for the last time.

    Args:
        begin: share of the round's steps before the first compressed phase; the authors take 0.1.
        phase: share of them that a phase takes; 0.05.
        end: share of them before the last pruning; 0.85.

    Example:
        >>> AcDc(begin=0.1, phase=0.2, end=0.8).steps(Span(0, 100))
        [10, 30, 80]
    """

    starts_dense: ClassVar[bool] = True
    fresh_optimizer: ClassVar[bool] = True

    begin: float
    phase: float
    end: float

    def __post_init__(self) -> None:
        check_part("begin", self.begin)
        check_part("phase", self.phase)
        check_part("end", self.end)

    def steps(self, span: Span) -> list[int]:
        """Return the steps at which phases begin; none if a phase would have no step."""
        if self.phase * (span.last - span.first) < 1 - 1e-9:
            return []
        pairs = int((self.end - self.begin) / (2 * self.phase) + 1e-9)  # 0.6 / 0.2 is below 3
        begins = [self.begin + number * self.phase for number in range(2 * pairs)]
        steps = [span.at(share) for share in (*begins, self.end)]
        apart = len({span.first, *steps}) == 1 + len(steps)
        return steps if pairs and apart else []

    def settled(self, span: Span) -> int:
        """Return the step `end`."""
        return span.at(self.end)

    def quota(self, stage: Stage) -> Quota:
        """Return how many weights go, or that all come back."""
        if self._compresses(stage):
            return pruned_to(stage, stage.target)
        grown = {name: number - stage.alive[name] for name, number in stage.start.items()}
        return Quota(dict.fromkeys(grown, 0), grown)

    def __call__(self, moment: Moment) -> Masks:
        """Prune, or return to the masks that the round began with."""
        if self._compresses(moment.stage):
            return moment.prune(moment.trained, moment.stage.target)
        return moment.start

    def _compresses(self, stage: Stage) -> bool:
        return self.steps(stage.span).index(stage.step) % 2 == 0

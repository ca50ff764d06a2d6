"""The control of masks that move: the masks of the start, never moved."""

from dataclasses import dataclass

from lottery.dynamic.interface import Moment, Quota, Span, Stage
from lottery.dynamic.schedules import check_part
from lottery.masks import Masks


@dataclass(frozen=True)
class Static:
    """Never move the masks.

    It is the training of `dynamic=none`, but ES is looked for from `end` on, as in rounds whose
    masks move until then. So the two are compared at weights that were chosen in the same way.

    Args:
        end: share of the round's steps before which ES is not looked for.
    """

    end: float

    def __post_init__(self) -> None:
        check_part("end", self.end)

    def steps(self, span: Span) -> list[int]:
        """Return no step."""
        return []

    def settled(self, span: Span) -> int:
        """Return the step `end`."""
        return span.at(self.end)

    def quota(self, stage: Stage) -> Quota:
        """Return nothing to drop or grow."""
        return Quota({}, {})

    def __call__(self, moment: Moment) -> Masks:
        """Return the masks as they are."""
        return moment.trained.masks

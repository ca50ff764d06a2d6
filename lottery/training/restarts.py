"""A schedule of the learning rate that begins again while a round trains."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lottery.dynamic import Moving, restarts_schedule
from lottery.models.state import Start
from lottery.training.module import Optimization
from lottery.training.schedules import Schedule


@dataclass(frozen=True)
class Restarted:
    """A schedule that begins again after certain steps.

    Between two of them, and from the last one to the end, the steps of a whole training are passed
    through at an even pace. So a rise, drops and a fall have the same share of each piece as of a
    whole training.

    Args:
        schedule: of a whole training.
        num_steps: its steps.
        at: the steps after which it begins again, ascending.
        end: the step at which the last piece ends.

    Example:
        >>> from lottery.training.schedules import Cosine
        >>> schedule = Restarted(Cosine(final=0, num_steps=8), num_steps=8, at=[2, 6], end=8)
        >>> [round(schedule(step), 3) for step in range(8)]
        [1.0, 0.962, 1.0, 0.854, 0.5, 0.146, 1.0, 0.5]
    """

    schedule: Schedule
    num_steps: int
    at: Sequence[int]
    end: int

    def __call__(self, step: int) -> float:
        """Return the factor for the step that follows `step` steps."""
        piece = bisect_right(self.at, step)
        if piece == 0:
            return self.schedule(step)
        first, last = self.at[piece - 1], [*self.at, self.end][piece]
        return self.schedule((step - first) * self.num_steps // (last - first))


def restarted(optimization: Optimization, start: Start, moving: Moving) -> Optimization:
    """Return a round's optimization; its schedule begins again where the round's dynamic asks.

    The schedule counts from the step at which the round takes it up.
    """
    if not restarts_schedule(moving.dynamic):
        return optimization
    ahead = start.schedule_step - start.first_step
    schedule = Restarted(
        schedule=optimization.schedule,
        num_steps=moving.num_steps,
        at=[step + ahead for step in moving.steps],
        end=start.last_step + ahead,
    )
    return replace(optimization, schedule=schedule)

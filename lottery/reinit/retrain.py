"""Going on from the weights at the end of the last round: retraining without rewinding them."""

from dataclasses import dataclass
from typing import ClassVar

from lottery.models.state import Start, start_at
from lottery.reinit.interface import Reinit, Source, Stored


@dataclass(frozen=True)
class Continue:
    """`reinit=none`: weights and optimizer state carried on, the schedule from its start.

    "Iterative pruning with continued training", strategy 2 of Frankle & Carbin 2019.
    """

    rewind_step: ClassVar[int] = 0
    carries_optimizer: ClassVar[bool] = True
    source: ClassVar[Source] = "last"

    def __call__(self, stored: Stored) -> Start:
        """The end of the last round."""
        return start_at(stored.last, stored.num_steps, restore=True)


@dataclass(frozen=True)
class LrRewind:
    """Learning-rate rewinding: the weights stay, the schedule's last t steps come again.

    Renda et al. 2020, with a fresh optimizer. The round's clock and its data begin at 0.

    Args:
        steps: t, at most T; at t = T the whole schedule comes again.
    """

    steps: int
    rewind_step: ClassVar[int] = 0
    carries_optimizer: ClassVar[bool] = False
    source: ClassVar[Source] = "last"

    def __post_init__(self) -> None:
        _check(self.steps)

    def __call__(self, stored: Stored) -> Start:
        """The end of the last round, at step T - t of the schedule."""
        return _retrained(stored, self.steps, stored.num_steps - self.steps, rate_stays=False)


@dataclass(frozen=True)
class Finetune:
    """Fine-tuning: the weights stay, trained on with the schedule's last learning rate.

    Han et al. 2015, as in Renda et al. 2020, with a fresh optimizer. The round's clock and its
    data begin at 0.

    Args:
        steps: t, at most T.
    """

    steps: int
    rewind_step: ClassVar[int] = 0
    carries_optimizer: ClassVar[bool] = False
    source: ClassVar[Source] = "last"

    def __post_init__(self) -> None:
        _check(self.steps)

    def __call__(self, stored: Stored) -> Start:
        """The end of the last round, the learning rate that of step T throughout."""
        return _retrained(stored, self.steps, stored.num_steps - 1, rate_stays=True)


def _check(steps: int) -> None:
    if steps < 1:
        raise ValueError(f"steps={steps}: a number of steps >= 1")


def _retrained(stored: Stored, steps: int, schedule_step: int, *, rate_stays: bool) -> Start:
    last = stored.last
    return Start(last.weights, last.buffers, 0, steps, schedule_step, {}, rate_stays=rate_stays)


def steps_to_come(reinit: Reinit, num_steps: int) -> int:
    """Steps of every later round, T - k where a reinit is not one of ours; for the progress.

    Args:
        reinit: of the run.
        num_steps: steps of a whole training, T.
    """
    if isinstance(reinit, LrRewind | Finetune):
        return reinit.steps
    return num_steps - reinit.rewind_step

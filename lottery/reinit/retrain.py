"""Starts from the weights at the end of the last round: retraining without rewinding them."""

from dataclasses import dataclass, replace
from typing import ClassVar

from lottery.arguments import check_flag, check_whole
from lottery.models.state import Start, start_at
from lottery.reinit.interface import Source, Stored


@dataclass(frozen=True)
class Continue:
    """`reinit=none`: weights and optimizer state are kept, the schedule begins again.

    This is the pruning of "iterative pruning with continued training", strategy 2 of Frankle &
    Carbin 2019. The strategy ends with a reset to W_0: a run that copies these masks.
    """

    rewind_step: ClassVar[int] = 0
    carries_optimizer: ClassVar[bool] = True
    source: ClassVar[Source] = "last"

    def __call__(self, stored: Stored) -> Start:
        """Start at the end of the last round."""
        return start_at(stored.last, stored.num_steps, restore=True)


@dataclass(frozen=True)
class LrRewind:
    """Learning-rate rewinding: the weights stay, the last t steps of the schedule are repeated.

    Renda et al. 2020. The round's clock and its data begin at 0.

    Args:
        steps: t, at most T. None repeats the whole schedule, t = T.
        keep_optimizer: whether the optimizer keeps its state (momentum), as in the authors' code,
            or is fresh.
    """

    steps: int | None
    keep_optimizer: bool = False
    durations: ClassVar[tuple[str, ...]] = ("steps",)
    rewind_step: ClassVar[int] = 0
    source: ClassVar[Source] = "last"

    def __post_init__(self) -> None:
        if self.steps is not None:
            check_whole("steps", self.steps, at_least=1)
        check_flag("keep_optimizer", self.keep_optimizer)

    @property
    def carries_optimizer(self) -> bool:
        """Whether each round needs the optimizer's state of the one before."""
        return self.keep_optimizer

    def steps_to_come(self, num_steps: int) -> int:
        """Return t."""
        return num_steps if self.steps is None else self.steps

    def __call__(self, stored: Stored) -> Start:
        """Start at the end of the last round and at step T - t of the schedule."""
        steps = self.steps_to_come(stored.num_steps)
        start = _retrain(stored, steps, stored.num_steps - steps)
        return replace(start, optimizer_state=stored.last.optimizer if self.keep_optimizer else {})


@dataclass(frozen=True)
class Finetune:
    """Fine-tuning: the weights stay and are trained with the schedule's last learning rate.

    Han et al. 2015, as in Renda et al. 2020, with a fresh optimizer. The round's clock and its
    data begin at 0.

    Args:
        steps: t, at most T. None is T.
    """

    steps: int | None
    durations: ClassVar[tuple[str, ...]] = ("steps",)
    rewind_step: ClassVar[int] = 0
    carries_optimizer: ClassVar[bool] = False
    source: ClassVar[Source] = "last"

    def __post_init__(self) -> None:
        if self.steps is not None:
            check_whole("steps", self.steps, at_least=1)

    def steps_to_come(self, num_steps: int) -> int:
        """Return t."""
        return num_steps if self.steps is None else self.steps

    def __call__(self, stored: Stored) -> Start:
        """Start at the end of the last round with the learning rate of step T throughout."""
        steps = self.steps_to_come(stored.num_steps)
        return _retrain(stored, steps, stored.num_steps - 1, rate_stays=True)


def _retrain(stored: Stored, steps: int, schedule_step: int, *, rate_stays: bool = False) -> Start:
    return Start(
        weights=stored.last.weights,
        buffers=stored.last.buffers,
        first_step=0,
        num_steps=steps,
        schedule_step=schedule_step,
        optimizer_state={},
        rate_stays=rate_stays,
    )

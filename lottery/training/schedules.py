"""Learning-rate schedules: functions from the step to a factor of the optimizer's rate.

Steps count from 0: `schedule(0)` is the factor of a training's first step. A schedule whose
constructor names `num_steps` or `steps_per_epoch` is given them: the steps of a whole training
(`iterations`) and of an epoch. `durations` names the arguments that a user may give in epochs.

A schedule that follows the validation loss has a method `after(val_losses)`. It gets the losses of
a round's evaluations so far and returns the schedule up to the next one. As it depends on nothing
else, a stopped round goes on as if it had not been stopped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from lottery.arguments import check_whole


class Schedule(Protocol):
    """A function from the step to the factor."""

    def __call__(self, step: int) -> float:
        """Return the factor for the step that follows `step` steps."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same rate throughout."""

    def __call__(self, step: int) -> float:
        """Return 1."""
        return 1.0


def check_drops(at: object, factor: float) -> None:
    """Check where and by how much a rate drops; a ValueError names the argument."""
    if not isinstance(at, Sequence) or not all(isinstance(step, int) and step > 0 for step in at):
        raise ValueError(f"at={at}: a list of numbers of steps, each at least 1")
    if not factor > 0:
        raise ValueError(f"factor={factor}: a number above 0")


@dataclass(frozen=True)
class StepDrops:
    """The rate is multiplied by `factor` after certain numbers of steps.

    Args:
        at: numbers of steps.
        factor: > 0, usually 0.1.

    Example:
        >>> [StepDrops(at=(2,), factor=0.5)(step) for step in range(4)]
        [1.0, 1.0, 0.5, 0.5]
    """

    at: Sequence[int]
    factor: float
    durations: ClassVar[tuple[str, ...]] = ("at",)

    def __post_init__(self) -> None:
        check_drops(self.at, self.factor)

    def __call__(self, step: int) -> float:
        """Return factor ** (number of drops so far)."""
        return float(self.factor ** sum(step >= drop for drop in self.at))


@dataclass(frozen=True)
class Warmup:
    """The rate rises linearly over the first steps; later steps drop it as in `StepDrops`.

    Args:
        steps: length of the rise; step s has the factor (s + 1) / steps, so none has 0.
        at: numbers of steps for drops, may be empty.
        factor: of each drop.

    Example:
        >>> [Warmup(steps=4, at=(5,), factor=0.1)(step) for step in range(6)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 0.1]
    """

    steps: int
    at: Sequence[int]
    factor: float
    durations: ClassVar[tuple[str, ...]] = ("steps", "at")

    def __post_init__(self) -> None:
        check_drops(self.at, self.factor)
        if self.steps < 1:
            raise ValueError(f"steps={self.steps}: at least 1")

    def __call__(self, step: int) -> float:
        """Return the factor of the rise, times the drops so far."""
        return min(1.0, (step + 1) / self.steps) * StepDrops(self.at, self.factor)(step)


@dataclass(frozen=True)
class Cosine:
    """The rate falls by half a cosine (Loshchilov & Hutter 2017, without restarts).

    Args:
        final: factor that is reached after the last step, from 0 to 1.
        num_steps: steps of a whole training.

    Example:
        >>> [round(Cosine(final=0, num_steps=4)(step), 3) for step in range(4)]
        [1.0, 0.854, 0.5, 0.146]
    """

    final: float
    num_steps: int

    def __post_init__(self) -> None:
        check_whole("num_steps", self.num_steps, at_least=1)
        _check_share("final", self.final)

    def __call__(self, step: int) -> float:
        """Return the cosine's factor; `final` beyond the last step."""
        return _cosine(1.0, self.final, step / self.num_steps)


@dataclass(frozen=True)
class LinearWarmupCosine:
    """The rate rises linearly as in `Warmup`, then falls by half a cosine as in `Cosine`.

    Goyal et al. 2017 for the rise, Loshchilov & Hutter 2017 for the fall.

    Args:
        steps: length of the rise, shorter than the training.
        final: factor that is reached after the last step, from 0 to 1.
        num_steps: steps of a whole training.

    Example:
        >>> schedule = LinearWarmupCosine(steps=2, final=0, num_steps=6)
        >>> [round(schedule(step), 3) for step in range(6)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """

    steps: int
    final: float
    num_steps: int
    durations: ClassVar[tuple[str, ...]] = ("steps",)

    def __post_init__(self) -> None:
        check_whole("num_steps", self.num_steps, at_least=1)
        if type(self.steps) is not int or not 1 <= self.steps < self.num_steps:
            raise ValueError(
                f"steps={self.steps}: at least 1, and before the end of training, "
                f"{self.num_steps} steps"
            )
        _check_share("final", self.final)

    def __call__(self, step: int) -> float:
        """Return the factor of the rise, then that of the cosine."""
        if step < self.steps:
            return (step + 1) / self.steps
        return _cosine(1.0, self.final, (step - self.steps) / (self.num_steps - self.steps))


@dataclass(frozen=True)
class OneCycle:
    """The rate rises from `start` to 1 and falls to `final` (Smith & Topin 2018).

    The factors are those of `torch.optim.lr_scheduler.OneCycleLR`; momentum and betas stay as
    they are. With `anneal="linear"` this is the slanted triangle of Howard & Ruder 2018.

    Args:
        rise: share of the training that the rise takes, above 0 and below 1.
        start: factor of the first step, from 0 to 1.
        final: factor of the last step, from 0 to 1.
        anneal: "cosine" or "linear", the shape of the rise and of the fall.
        num_steps: steps of a whole training.

    Example:
        >>> triangle = OneCycle(rise=0.5, start=0.5, final=0, anneal="linear", num_steps=6)
        >>> [triangle(step) for step in range(6)]
        [0.5, 0.75, 1.0, 0.6666666666666667, 0.33333333333333337, 0.0]
    """

    rise: float
    start: float
    final: float
    anneal: str
    num_steps: int

    def __post_init__(self) -> None:
        check_whole("num_steps", self.num_steps, at_least=1)
        if not _is_number(self.rise) or not 0 < self.rise < 1:
            raise ValueError(f"rise={self.rise}: a number above 0 and below 1")
        _check_share("start", self.start)
        _check_share("final", self.final)
        if self.anneal not in ("cosine", "linear"):
            raise ValueError(f"anneal={self.anneal}: cosine or linear")

    def __call__(self, step: int) -> float:
        """Return the factor of the rise, then that of the fall; `final` beyond the last step."""
        between = _cosine if self.anneal == "cosine" else _line
        peak, last = self.rise * self.num_steps - 1, self.num_steps - 1
        if step < peak:
            return between(self.start, 1.0, step / peak)
        return between(1.0, self.final, (step - peak) / (last - peak))


@dataclass(frozen=True)
class Plateau:
    """The rate falls when the validation loss does not: torch's `ReduceLROnPlateau`.

    Args:
        factor: of each fall, above 0 and below 1.
        patience: evaluations without a better loss that are waited for; the next one lowers.
        threshold: share of the best loss by which a better loss is lower, from 0 and below 1.
        min_factor: the lowest factor of the optimizer's rate, from 0 to 1.

    Example:
        >>> plateau = Plateau(factor=0.5, patience=1, threshold=0, min_factor=0)
        >>> losses = [3.0, 2.0, 2.5, 2.0]
        >>> [plateau.after(losses[:count])(0) for count in range(5)]
        [1.0, 1.0, 1.0, 1.0, 0.5]
    """

    factor: float
    patience: int
    threshold: float
    min_factor: float

    def __post_init__(self) -> None:
        if not _is_number(self.factor) or not 0 < self.factor < 1:
            raise ValueError(f"factor={self.factor}: a number above 0 and below 1")
        check_whole("patience", self.patience, at_least=0)
        if not _is_number(self.threshold) or not 0 <= self.threshold < 1:
            raise ValueError(f"threshold={self.threshold}: a number from 0, below 1")
        _check_share("min_factor", self.min_factor)

    def __call__(self, step: int) -> float:
        """Return 1: there is no evaluation yet."""
        return 1.0

    def after(self, val_losses: Sequence[float]) -> Schedule:
        """Return the schedule up to the next evaluation."""
        reached, best, waited = 1.0, math.inf, 0
        for loss in val_losses:
            if loss < best * (1 - self.threshold):
                best, waited = loss, 0
            else:
                waited += 1
            if waited > self.patience:
                reached, waited = max(self.min_factor, reached * self.factor), 0
        return _Held(reached)


@dataclass(frozen=True)
class _Held:
    """One factor at every step."""

    factor: float

    def __call__(self, step: int) -> float:
        return self.factor


def _cosine(first: float, last: float, share: float) -> float:
    """Return the value at a share of the way from `first` to `last`, along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def _line(first: float, last: float, share: float) -> float:
    """Return the value at a share of the way from `first` to `last`, along a straight line."""
    return first + (last - first) * min(share, 1.0)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_share(name: str, value: float) -> None:
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{name}={value}: a number from 0 to 1")

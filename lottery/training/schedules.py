"""Learning-rate schedules: functions from the step to a factor of the optimizer's rate.

Steps count from 0: `schedule(0)` is the factor of a training's first step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol


class Schedule(Protocol):
    """step -> factor."""

    def __call__(self, step: int) -> float:
        """The factor for the step that follows `step` steps."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same rate throughout."""

    def __call__(self, step: int) -> float:
        """1."""
        return 1.0


def check_drops(at: object, factor: float) -> None:
    """Check where and by how much a rate drops.

    Raises:
        ValueError: naming the argument.
    """
    if not isinstance(at, Sequence) or not all(isinstance(step, int) and step > 0 for step in at):
        raise ValueError(f"at={at}: a list of numbers of steps, each at least 1")
    if not factor > 0:
        raise ValueError(f"factor={factor}: a number above 0")


@dataclass(frozen=True)
class StepDrops:
    """The rate is multiplied by `factor` after each of some numbers of steps.

    Args:
        at: numbers of steps.
        factor: > 0, 0.1 as a rule.

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
        """factor ** (drops that lie behind)."""
        return float(self.factor ** sum(step >= drop for drop in self.at))


@dataclass(frozen=True)
class Warmup:
    """The rate rises linearly over the first steps; then steps drop it as in `StepDrops`.

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
        """The rise, times the drops that lie behind."""
        return min(1.0, (step + 1) / self.steps) * StepDrops(self.at, self.factor)(step)

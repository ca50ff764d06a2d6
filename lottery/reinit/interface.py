"""What a reinit is, and what it may start from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from lottery.models.state import Start, State

Source = Literal["rewind_point", "last"]


@dataclass(frozen=True)
class Stored:
    """What a reinit may start from."""

    round: int  # to start, >= 1
    initial: State  # the dense network before its first step, W_0
    rewind_point: State  # the dense network at the reinit's `rewind_step`; W_0 if that is 0
    last: State  # the network at the end of the last round
    num_steps: int  # of a whole training, T
    fresh: Callable[..., State]  # draws a random network for the purpose that its arguments name
    prunable: Sequence[str]  # names of the weights that have masks


class Reinit(Protocol):
    """Where round r >= 1 starts.

    A class names its arguments that are durations in its attribute `durations`, a tuple of texts;
    it then gets '5ep' as a number of steps. Later rounds train the T - k steps from step
    k = `rewind_step` on. A class that trains another number of steps has a method for it,
    `steps_to_come(num_steps)`.
    """

    @property
    def rewind_step(self) -> int:
        """The step k whose state round 0 must store; 0 if the initial state is enough."""
        ...

    @property
    def carries_optimizer(self) -> bool:
        """Whether the optimizer state at the end of a round must be stored."""
        ...

    @property
    def source(self) -> Source | None:
        """The stored state that every start must equal; None if starts are drawn."""
        ...

    def __call__(self, stored: Stored) -> Start:
        """Return the start of round `stored.round`."""
        ...


def steps_to_come(reinit: Reinit, num_steps: int) -> int:
    """Return the number of steps of every later round; `num_steps` is a whole training's, T."""
    own: Any = getattr(reinit, "steps_to_come", None)
    return num_steps - reinit.rewind_step if own is None else int(own(num_steps))

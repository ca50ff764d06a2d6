"""What every reinit is, and what it may start from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from lottery.models.state import Start, State

Source = Literal["rewind_point", "last"]


@dataclass(frozen=True)
class Stored:
    """What a reinit may start from.

    Args:
        round: the round to start, >= 1.
        initial: the dense network before its first step, W_0.
        rewind_point: the dense network at the reinit's `rewind_step`; W_0 where that is 0.
        last: the end of the last round.
        num_steps: steps of a whole training, T.
        fresh: a new random network, drawn for a purpose named by the arguments.
        prunable: names of the weights that have masks.
    """

    round: int
    initial: State
    rewind_point: State
    last: State
    num_steps: int
    fresh: Callable[..., State]
    prunable: Sequence[str]


class Reinit(Protocol):
    """Where round r >= 1 starts."""

    @property
    def rewind_step(self) -> int:
        """The step k at which round 0's state must be stored; 0 = the initial one is enough."""
        ...

    @property
    def carries_optimizer(self) -> bool:
        """Whether the optimizer state at the end of a round must be stored."""
        ...

    @property
    def source(self) -> Source | None:
        """Which stored state every start must equal, for the run's checks; None if drawn."""
        ...

    def __call__(self, stored: Stored) -> Start:
        """The start of round `stored.round`."""
        ...

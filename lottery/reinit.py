"""Reinits: where the next round's training starts. They give dense weights, masked later."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from lottery.models.state import Start, State, start_at

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
    """

    round: int
    initial: State
    rewind_point: State
    last: State
    num_steps: int
    fresh: Callable[..., State]


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


@dataclass(frozen=True)
class Rewind:
    """Back to the weights the dense network had at step k.

    k = 0: the lottery ticket (Frankle & Carbin 2019); k > 0: late rewinding (Frankle et al.
    2019), where training goes on from step k with the data and the learning rate of step k.

    Args:
        to: the step k.
        optimizer_state: "fresh", or "restored" to what it was at step k.
    """

    to: int
    optimizer_state: str

    def __post_init__(self) -> None:
        if self.to < 0:
            raise ValueError(f"to={self.to}: a step >= 0")
        if self.optimizer_state not in ("fresh", "restored"):
            raise ValueError(f"optimizer_state={self.optimizer_state!r}: fresh or restored")

    @property
    def rewind_step(self) -> int:
        """k."""
        return self.to

    @property
    def carries_optimizer(self) -> bool:
        """No."""
        return False

    @property
    def source(self) -> Source:
        """W_k."""
        return "rewind_point"

    def __call__(self, stored: Stored) -> Start:
        """W_k, to be trained for steps k + 1 ... T."""
        restore = self.optimizer_state == "restored"
        return start_at(stored.rewind_point, stored.num_steps, self.to, restore=restore)


@dataclass(frozen=True)
class Random:
    """A new random network under the mask: the control that asks whether W_0 mattered.

    Args:
        draw: which of the independent draws; each round has its own.
    """

    draw: int

    def __post_init__(self) -> None:
        if self.draw < 0:
            raise ValueError(f"draw={self.draw}: a whole number >= 0")

    @property
    def rewind_step(self) -> int:
        """0."""
        return 0

    @property
    def carries_optimizer(self) -> bool:
        """No."""
        return False

    @property
    def source(self) -> None:
        """None."""

    def __call__(self, stored: Stored) -> Start:
        """Fresh weights, trained from the beginning."""
        return start_at(stored.fresh("reinit", self.draw, stored.round), stored.num_steps)


@dataclass(frozen=True)
class Continue:
    """`reinit=none`: weights and optimizer state carried on, the schedule from its start.

    "Iterative pruning with continued training", strategy 2 of Frankle & Carbin 2019.
    """

    @property
    def rewind_step(self) -> int:
        """0."""
        return 0

    @property
    def carries_optimizer(self) -> bool:
        """Yes."""
        return True

    @property
    def source(self) -> Source:
        """The end of the last round."""
        return "last"

    def __call__(self, stored: Stored) -> Start:
        """The end of the last round."""
        return start_at(stored.last, stored.num_steps, restore=True)

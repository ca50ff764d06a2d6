"""Going back to a state of the dense network."""

from dataclasses import dataclass

from lottery.models.state import Start, start_at
from lottery.reinit.interface import Source, Stored


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

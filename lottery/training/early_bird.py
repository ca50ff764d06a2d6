"""Early-bird tickets: the step from which the mask that pruning would give hardly changes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from lottery.masks import Masks
from lottery.models.state import State, read_state
from lottery.record.schema import EarlyBirdRecord, MaskDistance

KEPT = ("step", "distances", "looked_at", "earlier")  # by a checkpoint
QUEUE = 5  # masks that are compared: the latest with each of the four before it


@dataclass
class EarlyBird:
    """Looks, at each evaluation, at the mask that pruning would give (You et al. 2020).

    The early bird is the first step at which this mask is less than epsilon away from each of the
    last four. The distance of two masks is the share of the round's live weights in which they
    differ: the normalised Hamming distance.

    The training stays as it is: weights are copied, and the pruner has a generator of its own.
    `next_masks` makes the masks that pruning a network in some state would give.
    """

    epsilon: float  # the bound on the distances, 0.1 in the paper
    num_alive: int  # weights that the round's masks keep
    next_masks: Callable[[State], Masks]
    step: int | None = None
    distances: list[MaskDistance] = field(default_factory=list)
    looked_at: int | None = None
    earlier: list[Masks] = field(default_factory=list)  # the latest last

    def look(self, step: int, network: nn.Module) -> None:
        """Compare the mask after a step with those before; a second look changes nothing."""
        if step == self.looked_at:
            return
        masks = self.next_masks(read_state(network))
        distances = [
            sum(int((mask != earlier[name]).sum()) for name, mask in masks.items())
            / max(1, self.num_alive)
            for earlier in reversed(self.earlier)
        ]
        self.distances += [
            {"iteration": step, "back": back, "distance": distance}
            for back, distance in enumerate(distances, start=1)
        ]
        enough = len(distances) == QUEUE - 1
        if self.step is None and enough and max(distances) < self.epsilon:
            self.step = step
        self.earlier = [*self.earlier, masks][1 - QUEUE :]
        self.looked_at = step

    def record(self) -> EarlyBirdRecord:
        """Return what the round's record states: epsilon, the step or None, the distances."""
        return {"epsilon": self.epsilon, "step": self.step, "distances": self.distances}

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {name: getattr(self, name) for name in KEPT}

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        for name in KEPT:
            setattr(self, name, state[name])

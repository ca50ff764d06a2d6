"""Early-bird tickets: the step from which the mask that pruning would give hardly changes."""

from collections.abc import Callable
from typing import Any

from torch import nn

from lottery.masks import Masks
from lottery.models.state import State, read_state
from lottery.record.schema import Distance, EarlyBirdRecord

QUEUE = 5  # masks that are compared: the latest with each of the four before it


class EarlyBird:
    """Looks, at each evaluation, at the mask that pruning would give (You et al. 2020).

    The early bird is the first step at which this mask is less than epsilon away from each of the
    last four. The distance of two masks is the share of the round's live weights in which they
    differ: the normalised Hamming distance.

    The training stays as it is: weights are copied, and the pruner has a generator of its own.

    Args:
        epsilon: the bound on the distances, 0.1 in the paper.
        num_alive: weights that the round's masks keep.
        next_masks: makes the masks that pruning a network in some state would give.
    """

    def __init__(
        self, epsilon: float, num_alive: int, next_masks: Callable[[State], Masks]
    ) -> None:
        self.epsilon = epsilon
        self.num_alive = num_alive
        self.next_masks = next_masks
        self.step: int | None = None
        self.distances: list[Distance] = []
        self._looked_at: int | None = None
        self._earlier: list[Masks] = []  # the latest last

    def look(self, step: int, network: nn.Module) -> None:
        """Compare the mask of this step with those of the steps before.

        Args:
            step: on the round's clock; a second look at one step changes nothing.
            network: as it is after the step.
        """
        if step == self._looked_at:
            return
        masks = self.next_masks(read_state(network))
        distances = [self._distance(masks, other) for other in reversed(self._earlier)]
        self.distances += [
            {"iteration": step, "back": back, "distance": distance}
            for back, distance in enumerate(distances, start=1)
        ]
        enough = len(distances) == QUEUE - 1
        if self.step is None and enough and max(distances) < self.epsilon:
            self.step = step
        self._earlier = [*self._earlier, masks][1 - QUEUE :]
        self._looked_at = step

    def _distance(self, masks: Masks, others: Masks) -> float:
        differing = sum(int((mask != others[name]).sum()) for name, mask in masks.items())
        return differing / max(1, self.num_alive)

    def record(self) -> EarlyBirdRecord:
        """Return what the round's record states: epsilon, the step or None, the distances."""
        return {"epsilon": self.epsilon, "step": self.step, "distances": self.distances}

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "step": self.step,
            "distances": self.distances,
            "looked_at": self._looked_at,
            "earlier": self._earlier,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        self.step = state["step"]
        self.distances = state["distances"]
        self._looked_at = state["looked_at"]
        self._earlier = state["earlier"]

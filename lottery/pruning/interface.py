"""What a criterion is given, and what it is."""

from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from lottery.masks import Masks, masked
from lottery.models.state import State
from lottery.pruning.probe import MakeProbe, no_probe
from lottery.tensors import Tensors


@dataclass(frozen=True)
class Trained:
    """What a criterion may look at when round `round` begins.

    Args:
        round: the round the masks are for, >= 1.
        weights: prunable weights, the pruned ones at zero: at the end of the last round, or the
            initial ones where pruning is done at initialisation.
        initial: the same weights at the very beginning.
        masks: masks of the last round.
        generator: random numbers of the pruning seed, on the CPU.
        state: the whole network that `weights` belong to.
        probe: makes what runs the network on training data; nothing is made before it is asked.
    """

    round: int
    weights: Tensors
    initial: Tensors
    masks: Masks
    generator: torch.Generator
    state: State = field(default_factory=lambda: State({}, {}))
    probe: MakeProbe = no_probe

    def under(self, masks: Masks) -> "Trained":
        """The same with more pruned."""
        return replace(self, masks=masks, weights=masked(self.weights, masks))


class Criterion(Protocol):
    """Scores, one per weight in the weights' shapes; the lowest are pruned.

    Scores of weights that are pruned already do not matter. A criterion is pure and never looks
    at a value with `.item()`, so that `torch.vmap` can run it over several networks; those that
    run the network are pure too, but are not for vmap.
    """

    def __call__(self, trained: Trained) -> Tensors:
        """Scores by parameter name."""
        ...

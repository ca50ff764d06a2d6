"""What a criterion is and is given; what criteria and scopes say about themselves."""

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch

from lottery.masks import Masks, masked
from lottery.models.state import State
from lottery.pruning.probe import MakeProbe, no_probe
from lottery.tensors import Tensors


@dataclass(frozen=True)
class Trained:
    """What a criterion may look at when round `round` begins.

    Args:
        round: the round that the masks are for, >= 1.
        weights: prunable weights with the pruned ones at zero. They come from the end of the last
            round, or are the initial ones if pruning is done at initialisation.
        initial: the same weights before the first step of the run.
        masks: masks of the last round.
        generator: random numbers of the pruning seed, on the CPU.
        state: the whole network that `weights` belong to.
        probe: makes a network with training data, when a criterion asks for one.
    """

    round: int
    weights: Tensors
    initial: Tensors
    masks: Masks
    generator: torch.Generator
    state: State = field(default_factory=lambda: State({}, {}))
    probe: MakeProbe = no_probe

    def under(self, masks: Masks) -> "Trained":
        """Return the same with more weights pruned."""
        return replace(self, masks=masks, weights=masked(self.weights, masks))


class Criterion(Protocol):
    """Scores, one per weight in the weights' shapes; the lowest are pruned.

    Scores of weights that are pruned already do not matter. A criterion is pure and never reads a
    value with `.item()`, so that `torch.vmap` can run it over several networks. Criteria that run
    the network are pure too, but they do not work under vmap.

    The class can set the traits of `TRAITS` below.
    """

    def __call__(self, trained: Trained) -> Tensors:
        """Return scores by parameter name."""


# What a criterion or a scope says about itself by attributes of its class; a user's class can too.
# The value here holds for a class that says nothing.
TRAITS: dict[str, Any] = {
    # Criteria. False: no trained weight is looked at, so it does not matter when pruning is done.
    "needs_training": True,
    # True: the trained weights are compared with the initial ones.
    "compares_ends": False,
    # True: scores can be negative, so they have no norm over a filter or a neuron.
    "signed": False,
    # True: scores are random numbers that do not depend on the weights.
    "by_chance": False,
    # True: rounds train the scores instead of the weights, and masks follow them.
    "learns_masks": False,
    # True: the loss must have second derivatives.
    "second_derivatives": False,
    # True: the network is run on an input of ones, which tokens do not have.
    "runs_on_ones": False,
    # How many training examples the scores are computed on.
    "num_examples": 0,
    # How many passes forward and backward the scores take, for each of these examples.
    "passes": 1,
    # Scopes. True: one pruning rate holds for all layers together.
    "one_rate": False,
    # True: scores of one layer are compared with those of another.
    "compares_layers": False,
    # False: only single weights can be counted, not whole filters and neurons.
    "counts_units": True,
}


def trait(piece: object, name: str) -> Any:
    """Return what a criterion or a scope, or its class, says about itself.

    Example:
        >>> trait(object(), "needs_training")
        True
    """
    return getattr(piece, name, TRAITS[name])

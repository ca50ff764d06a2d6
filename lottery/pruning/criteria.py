"""Criteria: which weights matter. A criterion gives every weight a score; high scores stay."""

from dataclasses import dataclass
from typing import Protocol

import torch

from lottery.masks import Masks
from lottery.tensors import Tensors


@dataclass(frozen=True)
class Trained:
    """What a criterion may look at when round `round` begins.

    Args:
        round: the round the masks are for, >= 1.
        weights: prunable weights at the end of the last round.
        initial: the same weights at the very beginning.
        masks: masks of the last round.
        generator: random numbers of the pruning seed, on the CPU.
    """

    round: int
    weights: Tensors
    initial: Tensors
    masks: Masks
    generator: torch.Generator


class Criterion(Protocol):
    """Scores, one per weight in the weights' shapes; the lowest are pruned.

    Scores of weights that are pruned already do not matter. A criterion is pure and never looks
    at a value with `.item()`, so that `torch.vmap` can run it over several networks.
    """

    def __call__(self, trained: Trained) -> Tensors:
        """Scores by parameter name."""
        ...


@dataclass(frozen=True)
class Magnitude:
    """|w| at the end of training (Han et al. 2015; Frankle & Carbin 2019).

    Example:
        >>> weights = {"w": torch.tensor([0.5, -2.0, 0.0])}
        >>> trained = Trained(1, weights, weights, {}, torch.Generator())
        >>> Magnitude()(trained)["w"].tolist()
        [0.5, 2.0, 0.0]
    """

    def __call__(self, trained: Trained) -> Tensors:
        """|w|."""
        return {name: weight.abs() for name, weight in trained.weights.items()}


@dataclass(frozen=True)
class Random:
    """Uniform random numbers: the control that prunes the same counts anywhere."""

    def __call__(self, trained: Trained) -> Tensors:
        """Independent uniform numbers in [0, 1), in double precision so that ties are rare."""
        return {
            name: torch.rand(weight.shape, generator=trained.generator, dtype=torch.float64)
            for name, weight in trained.weights.items()
        }

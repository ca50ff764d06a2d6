"""Criteria that look at weights alone: their size, their movement, or nothing but chance."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lottery.pruning.interface import Trained
from lottery.tensors import Tensors


@dataclass(frozen=True)
class Magnitude:
    """|w| at the end of training (Han et al. 2015; Frankle & Carbin 2019).

    `large_final` of Zhou et al. (2019). At initialisation it is |w_i|.

    Example:
        >>> weights = {"w": torch.tensor([0.5, -2.0, 0.0])}
        >>> trained = Trained(1, weights, weights, {}, torch.Generator())
        >>> Magnitude()(trained)["w"].tolist()
        [0.5, 2.0, 0.0]
    """

    def __call__(self, trained: Trained) -> Tensors:
        """Return |w|."""
        return {name: weight.abs() for name, weight in trained.weights.items()}


@dataclass(frozen=True)
class LargeInit:
    """|w_i| before the first step (`large_init` of Zhou et al. 2019).

    Example:
        >>> final, initial = {"w": torch.tensor([3.0, 0.1])}, {"w": torch.tensor([0.5, -2.0])}
        >>> LargeInit()(Trained(1, final, initial, {}, torch.Generator()))["w"].tolist()
        [0.5, 2.0]
    """

    needs_training: ClassVar[bool] = False

    def __call__(self, trained: Trained) -> Tensors:
        """Return |w_i|."""
        return {name: trained.initial[name].abs() for name in trained.weights}


@dataclass(frozen=True)
class LargeInitLargeFinal:
    """Large at both ends, min(a |w_f|, |w_i|) (`large_init_large_final` of Zhou et al. 2019).

    Their code chooses a so that |w_i| and a |w_f| have the same percentiles in each layer. The
    score of a weight is therefore the lower one of its two percentiles. A percentile is the share
    of the layer's live weights that are smaller.

    Example:
        >>> final = {"w": torch.tensor([30.0, 20.0, 10.0])}
        >>> initial = {"w": torch.tensor([0.1, -0.3, 0.2])}
        >>> masks = {"w": torch.ones(3, dtype=torch.bool)}
        >>> scores = LargeInitLargeFinal()(Trained(1, final, initial, masks, torch.Generator()))
        >>> [round(score, 2) for score in scores["w"].tolist()]
        [0.0, 0.33, 0.0]
    """

    compares_ends: ClassVar[bool] = True

    def __call__(self, trained: Trained) -> Tensors:
        """Return the lower of the two percentiles, in [0, 1)."""
        return {
            name: torch.minimum(
                _percentile(trained.initial[name].abs(), trained.masks[name]),
                _percentile(weight.abs(), trained.masks[name]),
            )
            for name, weight in trained.weights.items()
        }


def _percentile(values: Tensor, mask: Tensor) -> Tensor:
    """Return for each value the share of the live values that are smaller. Ties are equal."""
    flat = torch.where(mask, values, torch.inf).flatten()  # a pruned value is never smaller
    ordered = flat.sort().values
    smaller = torch.searchsorted(ordered, flat)
    return (smaller / mask.sum().clamp(min=1)).reshape(values.shape)


@dataclass(frozen=True)
class MagnitudeIncrease:
    """|w_f| - |w_i|: how much larger training made a weight (Zhou et al. 2019).

    Example:
        >>> final, initial = {"w": torch.tensor([3.0, 0.5])}, {"w": torch.tensor([-1.0, 2.0])}
        >>> MagnitudeIncrease()(Trained(1, final, initial, {}, torch.Generator()))["w"].tolist()
        [2.0, -1.5]
    """

    compares_ends: ClassVar[bool] = True
    signed: ClassVar[bool] = True

    def __call__(self, trained: Trained) -> Tensors:
        """Return |w_f| - |w_i|."""
        initial = trained.initial
        return {name: w.abs() - initial[name].abs() for name, w in trained.weights.items()}


@dataclass(frozen=True)
class Movement:
    """|w_f - w_i|: how far training moved a weight (`movement` of Zhou et al. 2019).

    Not the first-order "movement pruning" of Sanh et al. (2020).

    Example:
        >>> final, initial = {"w": torch.tensor([3.0, 0.5])}, {"w": torch.tensor([-1.0, 2.0])}
        >>> Movement()(Trained(1, final, initial, {}, torch.Generator()))["w"].tolist()
        [4.0, 1.5]
    """

    compares_ends: ClassVar[bool] = True

    def __call__(self, trained: Trained) -> Tensors:
        """Return |w_f - w_i|."""
        initial = trained.initial
        return {name: (w - initial[name]).abs() for name, w in trained.weights.items()}


@dataclass(frozen=True)
class Random:
    """Uniform random numbers: the control that prunes as many weights, but any of them."""

    needs_training: ClassVar[bool] = False
    by_chance: ClassVar[bool] = True

    def __call__(self, trained: Trained) -> Tensors:
        """Return independent numbers in [0, 1). Double precision makes ties rare."""
        return {
            name: torch.rand(weight.shape, generator=trained.generator, dtype=torch.float64)
            for name, weight in trained.weights.items()
        }

"""Criteria of weights alone: which of them matter, by their size, their movement, or by chance."""

from dataclasses import dataclass

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
        """|w|."""
        return {name: weight.abs() for name, weight in trained.weights.items()}


@dataclass(frozen=True)
class LargeInit:
    """|w_i| at the very beginning (`large_init` of Zhou et al. 2019).

    Example:
        >>> final, initial = {"w": torch.tensor([3.0, 0.1])}, {"w": torch.tensor([0.5, -2.0])}
        >>> LargeInit()(Trained(1, final, initial, {}, torch.Generator()))["w"].tolist()
        [0.5, 2.0]
    """

    def __call__(self, trained: Trained) -> Tensors:
        """|w_i|."""
        return {name: trained.initial[name].abs() for name in trained.weights}


@dataclass(frozen=True)
class LargeInitLargeFinal:
    """Large at both ends, min(a |w_f|, |w_i|) (`large_init_large_final` of Zhou et al. 2019).

    Their code finds a by asking for the same percentile of |w_i| and of |w_f| in each layer, so
    the score is the lower of the two: the share of the layer's live weights that are smaller.

    Example:
        >>> final = {"w": torch.tensor([30.0, 20.0, 10.0])}
        >>> initial = {"w": torch.tensor([0.1, -0.3, 0.2])}
        >>> masks = {"w": torch.ones(3, dtype=torch.bool)}
        >>> scores = LargeInitLargeFinal()(Trained(1, final, initial, masks, torch.Generator()))
        >>> [round(score, 2) for score in scores["w"].tolist()]
        [0.0, 0.33, 0.0]
    """

    def __call__(self, trained: Trained) -> Tensors:
        """The lower of the two percentiles, in [0, 1)."""
        return {
            name: torch.minimum(
                _percentile(trained.initial[name].abs(), trained.masks[name]),
                _percentile(weight.abs(), trained.masks[name]),
            )
            for name, weight in trained.weights.items()
        }


def _percentile(values: Tensor, mask: Tensor) -> Tensor:
    """The share of the values under a mask that are smaller than each; equal values are equal."""
    flat = torch.where(mask, values, torch.inf).flatten()  # so that no pruned one is smaller
    ordered = flat.sort().values
    smaller = torch.searchsorted(ordered, flat)
    return (smaller / mask.sum().clamp(min=1)).reshape(values.shape)


@dataclass(frozen=True)
class MagnitudeIncrease:
    """|w_f| - |w_i|: what training made larger (Zhou et al. 2019).

    Example:
        >>> final, initial = {"w": torch.tensor([3.0, 0.5])}, {"w": torch.tensor([-1.0, 2.0])}
        >>> MagnitudeIncrease()(Trained(1, final, initial, {}, torch.Generator()))["w"].tolist()
        [2.0, -1.5]
    """

    def __call__(self, trained: Trained) -> Tensors:
        """|w_f| - |w_i|."""
        initial = trained.initial
        return {name: w.abs() - initial[name].abs() for name, w in trained.weights.items()}


@dataclass(frozen=True)
class Movement:
    """|w_f - w_i|: what training has moved far (`movement` of Zhou et al. 2019).

    Not the first-order "movement pruning" of Sanh et al. (2020).

    Example:
        >>> final, initial = {"w": torch.tensor([3.0, 0.5])}, {"w": torch.tensor([-1.0, 2.0])}
        >>> Movement()(Trained(1, final, initial, {}, torch.Generator()))["w"].tolist()
        [4.0, 1.5]
    """

    def __call__(self, trained: Trained) -> Tensors:
        """|w_f - w_i|."""
        initial = trained.initial
        return {name: (w - initial[name]).abs() for name, w in trained.weights.items()}


@dataclass(frozen=True)
class Random:
    """Uniform random numbers: the control that prunes the same counts anywhere."""

    def __call__(self, trained: Trained) -> Tensors:
        """Independent uniform numbers in [0, 1), in double precision so that ties are rare."""
        return {
            name: torch.rand(weight.shape, generator=trained.generator, dtype=torch.float64)
            for name, weight in trained.weights.items()
        }

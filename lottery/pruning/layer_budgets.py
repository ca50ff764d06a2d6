"""Scopes that divide a total number of weights among the layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from lottery.masks import Masks
from lottery.pruning.scopes import Keep, Layer, Layerwise, left_in_all
from lottery.tensors import Tensors


def apportion(total: int, shares: Sequence[int], caps: Sequence[int]) -> list[int]:
    """Divide `total` in proportion to `shares`; what exceeds a cap goes to the others.

    The numbers are whole, by Jefferson's method: units are given out one after the other, each to
    the layer with the strongest claim, ties by order. With a smaller total no layer gets more, so
    that the masks are nested.

    Args:
        total: at most the sum of the caps.
        shares: whole numbers above 0, one per layer.
        caps: the most that each layer can get.

    Example:
        >>> apportion(10, [1, 1, 1], [2, 20, 20])
        [2, 4, 4]
        >>> apportion(10, [1, 1, 1], [20, 20, 20])
        [4, 3, 3]
    """
    level = _level(total, shares, caps)
    dealt = [min(cap, int(level * share)) for share, cap in zip(shares, caps, strict=True)]
    for _ in range(total - sum(dealt)):  # fewer than there are layers
        open_ = [i for i, cap in enumerate(caps) if dealt[i] < cap]
        first = min(open_, key=lambda i: Fraction(dealt[i] + 1, shares[i]))
        dealt[first] += 1
    return dealt


def _level(total: int, shares: Sequence[int], caps: Sequence[int]) -> Fraction:
    """Return the factor x for which the numbers min(cap, x * share) add up to `total`."""
    rest, weight = total, sum(shares)
    level = Fraction(0)
    for cap, share in sorted(
        zip(caps, shares, strict=True), key=lambda pair: Fraction(pair[0], pair[1])
    ):
        level = Fraction(rest, weight)
        if level * share <= cap:
            return level
        rest, weight = rest - cap, weight - share
    return level


@dataclass(frozen=True)
class Erk:
    """Erdos-Renyi-Kernel densities (Evci et al. 2020) for as many weights as one rate leaves.

    A layer's number of weights is proportional to the sum of its shape: (in + out + kH + kW) for
    Conv, (in + out) for Linear. A layer with fewer weights than that stays whole, and the rest is
    divided among the others.
    """

    one_rate: ClassVar[bool] = True
    counts_units: ClassVar[bool] = False

    def keep(self, layers: Mapping[str, Layer], rounds: int) -> Keep:
        """Return the weights left in each layer."""
        return _divide(layers, rounds, [sum(layer.shape) for layer in layers.values()])

    def __call__(self, scores: Tensors, masks: Masks, keep: Keep) -> Masks:
        """Keep the highest scores of each layer."""
        return Layerwise()(scores, masks, keep)


@dataclass(frozen=True)
class Balanced:
    """The same number of weights in every layer, for as many in all as one rate leaves.

    A layer with fewer weights than that stays whole, and the rest is divided among the others.
    """

    one_rate: ClassVar[bool] = True
    counts_units: ClassVar[bool] = False

    def keep(self, layers: Mapping[str, Layer], rounds: int) -> Keep:
        """Return the weights left in each layer."""
        return _divide(layers, rounds, [1] * len(layers))

    def __call__(self, scores: Tensors, masks: Masks, keep: Keep) -> Masks:
        """Keep the highest scores of each layer."""
        return Layerwise()(scores, masks, keep)


def _divide(layers: Mapping[str, Layer], rounds: int, shares: Sequence[int]) -> Keep:
    alive = [layer.alive for layer in layers.values()]
    counts = apportion(left_in_all(layers, rounds), shares, alive)
    return dict(zip(layers, counts, strict=True))

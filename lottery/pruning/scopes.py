"""Scopes: how many weights stay, and which scores are compared with each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from lottery.masks import Masks
from lottery.pruning.top_k import keep_highest, keep_highest_of_all
from lottery.tensors import Tensors

Keep = dict[str, int]  # numbers of weights to keep, by layer or in all

IN_ALL = "in all"  # the one name in a `Keep` that counts all layers together


@dataclass(frozen=True)
class Layer:
    """A layer as a scope sees it.

    Args:
        alive: number of weights that the layer still has; of filters or neurons if whole ones are
            pruned.
        rate: share of them to remove, in [0, 1].
        shape: shape of the layer's weight.
    """

    alive: int
    rate: float
    shape: tuple[int, ...] = ()


class Scope(Protocol):
    """How many weights stay, and which ones.

    The class can set the traits of `lottery.pruning.interface.TRAITS`.
    """

    def keep(self, layers: Mapping[str, Layer], rounds: int) -> Keep:
        """Return the numbers of weights left after `rounds` prunings: by layer, or `IN_ALL`."""

    def __call__(self, scores: Tensors, masks: Masks, keep: Keep) -> Masks:
        """Return masks of the `keep` highest scores among the weights that `masks` keep.

        The function is pure and does not call `.item()`, so that `torch.vmap` can run it.
        """


def left_after(alive: int, rate: float, rounds: int) -> int:
    """Return the weights left after `rounds` prunings of round(rate * alive), halves to even.

    Example:
        >>> [left_after(235_200, 0.2, k) for k in range(4)]
        [235200, 188160, 150528, 120422]
    """
    for _ in range(rounds):
        alive -= round(rate * alive)
    return alive


def left_in_all(layers: Mapping[str, Layer], rounds: int) -> int:
    """Return the weights left after `rounds` prunings at one rate, counted over all layers.

    Raises:
        ValueError: the layers have different rates.
    """
    rates = {layer.rate for layer in layers.values()}
    if len(rates) > 1:
        raise ValueError(f"one rate for all layers, got {sorted(rates)}")
    return left_after(sum(layer.alive for layer in layers.values()), rates.pop(), rounds)


def split_like(joined: Tensor, masks: Masks) -> Masks:
    """Cut a flat tensor over all layers into tensors of the masks' shapes."""
    parts = torch.split(joined, [mask.numel() for mask in masks.values()])
    return {
        name: part.reshape(mask.shape)
        for (name, mask), part in zip(masks.items(), parts, strict=True)
    }


@dataclass(frozen=True)
class Layerwise:
    """Each layer loses its own share of its weights (Frankle & Carbin 2019 for LeNet, Conv-N)."""

    def keep(self, layers: Mapping[str, Layer], rounds: int) -> Keep:
        """Return the weights left in each layer."""
        return {
            name: left_after(layer.alive, layer.rate, rounds) for name, layer in layers.items()
        }

    def __call__(self, scores: Tensors, masks: Masks, keep: Keep) -> Masks:
        """Keep the highest scores of each layer."""
        return {name: keep_highest(scores[name], mask, keep[name]) for name, mask in masks.items()}


@dataclass(frozen=True)
class Global:
    """The scores of all layers are compared; layers end up with different densities."""

    one_rate: ClassVar[bool] = True
    compares_layers: ClassVar[bool] = True

    def keep(self, layers: Mapping[str, Layer], rounds: int) -> Keep:
        """Return the number of weights left in all."""
        return {IN_ALL: left_in_all(layers, rounds)}

    def __call__(self, scores: Tensors, masks: Masks, keep: Keep) -> Masks:
        """Keep the highest scores of all layers together; ties go by layer, then by index."""
        return keep_highest_of_all(scores, masks, keep[IN_ALL])


def apportion(total: int, shares: Sequence[int], caps: Sequence[int]) -> list[int]:
    """Divide `total` in proportion to `shares`; what exceeds a cap goes to the others.

    The numbers are whole, by Jefferson's method: units are given out one after the other, each to
    the layer with the strongest claim, ties by order. With a smaller total no layer gets more, so
    that the masks are nested. `total` is at most the sum of the caps.

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

"""Scopes: how many weights stay, and among which of them scores are compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lottery.masks import Masks
from lottery.pruning.top_k import keep_highest, keep_highest_of_all
from lottery.tensors import Tensors

Keep = int | dict[str, int]


@dataclass(frozen=True)
class Layer:
    """What a scope needs to know of a layer to say how many of its weights stay.

    Args:
        alive: weights the layer still has; or filters, where whole ones are pruned.
        rate: share of them to remove, in [0, 1].
        shape: of its weight.
    """

    alive: int
    rate: float
    shape: tuple[int, ...] = ()


class Scope(Protocol):
    """How many weights stay, and which."""

    def keep(self, layers: Mapping[str, Layer], rounds: int) -> Keep:
        """Numbers of weights left after `rounds` prunings: per layer, or one for all of them."""
        ...

    def __call__(self, scores: Tensors, masks: Masks, keep: Keep) -> Masks:
        """Masks of the `keep` highest scores among the weights that `masks` keep.

        Pure, and without `.item()`, so that `torch.vmap` can run it.
        """
        ...


def left_after(alive: int, rate: float, rounds: int) -> int:
    """Weights left after `rounds` prunings, each removing round(rate * alive), halves to even.

    Example:
        >>> [left_after(235_200, 0.2, k) for k in range(4)]
        [235200, 188160, 150528, 120422]
    """
    for _ in range(rounds):
        alive -= round(rate * alive)
    return alive


def left_in_all(layers: Mapping[str, Layer], rounds: int) -> int:
    """Weights left after `rounds` prunings at one rate, counted over all layers.

    Raises:
        ValueError: layers have different rates, which mean nothing here.
    """
    rates = {layer.rate for layer in layers.values()}
    if len(rates) > 1:
        raise ValueError(f"one rate for all layers, got {sorted(rates)}")
    return left_after(sum(layer.alive for layer in layers.values()), rates.pop(), rounds)


def split_like(joined: Tensor, masks: Masks) -> Masks:
    """A flat tensor over all layers, cut into tensors of the masks' shapes."""
    parts = torch.split(joined, [mask.numel() for mask in masks.values()])
    return {
        name: part.reshape(mask.shape)
        for (name, mask), part in zip(masks.items(), parts, strict=True)
    }


@dataclass(frozen=True)
class Layerwise:
    """Each layer loses its own share of its own weights (Frankle & Carbin's for LeNet, Conv-N)."""

    def keep(self, layers: Mapping[str, Layer], rounds: int) -> dict[str, int]:
        """Weights left in each layer."""
        return {
            name: left_after(layer.alive, layer.rate, rounds) for name, layer in layers.items()
        }

    def __call__(self, scores: Tensors, masks: Masks, keep: Keep) -> Masks:
        """The highest scores of each layer."""
        if isinstance(keep, int):
            raise TypeError("layerwise: keep is a number per layer")
        return {name: keep_highest(scores[name], mask, keep[name]) for name, mask in masks.items()}


@dataclass(frozen=True)
class Global:
    """All layers' scores are compared with each other; layers end up with different densities."""

    def keep(self, layers: Mapping[str, Layer], rounds: int) -> int:
        """Weights left in all."""
        return left_in_all(layers, rounds)

    def __call__(self, scores: Tensors, masks: Masks, keep: Keep) -> Masks:
        """The highest scores of all layers together; ties go by layer, then by index."""
        if not isinstance(keep, int):
            raise TypeError("global: keep is one number")
        return keep_highest_of_all(scores, masks, keep)

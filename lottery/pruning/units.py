"""Whole units: filters of a Conv layer, neurons of a Linear layer (dim 0 of a weight)."""

from typing import Literal

import torch

from lottery.masks import Masks
from lottery.tensors import Tensors

Units = Literal["none", "l1", "l2"]
ORDERS = {"l1": 1, "l2": 2}


def unit_scores(scores: Tensors, masks: Masks, units: str) -> Tensors:
    """Return the norm of each unit's scores, (units,).

    The norm is not divided by the unit's size. Under a global scope a layer with few inputs has
    smaller norms and loses more units.

    Args:
        scores: a score >= 0 for each weight.
        masks: which scores count.
        units: the norm, "l1" or "l2".

    Example:
        >>> scores = {"w": torch.tensor([[3.0, 4.0], [6.0, 0.0]])}
        >>> masks = {"w": torch.ones(2, 2, dtype=torch.bool)}
        >>> unit_scores(scores, masks, "l1")["w"].tolist()
        [7.0, 6.0]
        >>> unit_scores(scores, masks, "l2")["w"].tolist()
        [5.0, 6.0]
    """
    return {
        name: torch.linalg.vector_norm(
            torch.where(mask, scores[name], 0).flatten(1), ORDERS[units], dim=1
        )
        for name, mask in masks.items()
    }


def unit_masks(masks: Masks) -> Masks:
    """Return masks of units, (units,): True for a unit that has all of its weights."""
    return {name: mask.flatten(1).all(1) for name, mask in masks.items()}


def whole_units(kept: Masks, masks: Masks) -> Masks:
    """Expand masks of units to masks of weights with the shapes of `masks`."""
    return {
        name: units.reshape(-1, *[1] * (masks[name].dim() - 1)).expand_as(masks[name]).clone()
        for name, units in kept.items()
    }

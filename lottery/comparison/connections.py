"""How masks connect units: weights on paths from input to output, fan-in and fan-out.

A unit is a neuron of a Linear layer or a channel of a convolution: a row of its weight.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lottery.masks import Masks

Counts = np.ndarray[Any, Any]


def fits_a_chain(masks: Sequence[Tensor]) -> bool:
    """Return whether each layer's inputs can be the units of the layer before it.

    A Linear layer after a convolution has one input for each place of each channel.

    Example:
        >>> fits_a_chain([torch.ones(6, 1, 5, 5), torch.ones(10, 24), torch.ones(2, 10)])
        True
        >>> fits_a_chain([torch.ones(6, 4), torch.ones(10, 4)])
        False
    """
    if any(mask.dim() < 2 for mask in masks):
        return False
    return all(
        later.shape[1] == before.shape[0]
        or (before.dim() > 2 == later.dim() and later.shape[1] % before.shape[0] == 0)
        for before, later in pairwise(masks)
    )


def on_paths(masks: Masks) -> Masks:
    """Return the masks of the weights that lie on a path from an input to an output.

    The layers are a chain, in order. Only these weights can carry something from the inputs to
    the outputs: their share is the effective density (Vysogorets & Kempe 2023). Biases are no
    way in.

    Args:
        masks: (outputs, inputs, ...) of each layer; see `fits_a_chain`.

    Example:
        Neuron 1 of the first layer has no way out, so that its weight is on no path.

        >>> first, second = torch.tensor([[1, 0], [0, 1]]), torch.tensor([[1, 0]])
        >>> on_paths({"first": first.bool(), "second": second.bool()})["first"].int().tolist()
        [[1, 0], [0, 0]]
    """
    layers = [_connected(mask) for mask in masks.values()]
    reached = [torch.ones(layers[0].shape[1], dtype=torch.bool)]  # inputs of each layer
    for layer, later in pairwise(layers):
        units = (layer & reached[-1]).any(1)
        reached.append(units.repeat_interleave(later.shape[1] // len(units)))
    leading = [torch.ones(layers[-1].shape[0], dtype=torch.bool)]  # units of each layer
    for layer, before in zip(layers[:0:-1], layers[-2::-1], strict=True):
        inputs = (layer & leading[0][:, None]).any(0)
        leading.insert(0, inputs.reshape(before.shape[0], -1).any(1))
    return {
        name: mask & _like(inputs[None] & units[:, None], mask)
        for (name, mask), inputs, units in zip(masks.items(), reached, leading, strict=True)
    }


def dead_units(masks: Masks) -> dict[str, int]:
    """Count the units of each layer of a chain that are on no path from an input to an output.

    Example:
        >>> first, second = torch.tensor([[1, 0], [0, 1]]), torch.tensor([[1, 0]])
        >>> dead_units({"first": first.bool(), "second": second.bool()})
        {'first': 1, 'second': 0}
    """
    return {
        name: int((mask.flatten(1).sum(1) == 0).sum()) for name, mask in on_paths(masks).items()
    }


def fan_in(mask: Tensor) -> Counts:
    """Return the number of weights left into each unit, (outputs,).

    Example:
        >>> fan_in(torch.tensor([[True, True, False], [False, False, False]])).tolist()
        [2, 0]
    """
    return mask.flatten(1).sum(1).numpy()


def fan_out(mask: Tensor) -> Counts:
    """Return the number of weights left out of each input, (inputs,).

    Example:
        >>> fan_out(torch.tensor([[True, True, False], [False, True, False]])).tolist()
        [1, 2, 0]
    """
    return mask.transpose(0, 1).flatten(1).sum(1).numpy()


def _connected(mask: Tensor) -> Tensor:
    """Return whether any place of a kernel connects an input to a unit, (outputs, inputs)."""
    return mask.flatten(2).any(2) if mask.dim() > 2 else mask


def _like(matrix: Tensor, mask: Tensor) -> Tensor:
    return matrix.reshape(matrix.shape + (1,) * (mask.dim() - 2))

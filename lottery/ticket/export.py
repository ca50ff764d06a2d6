"""A ticket's weights in other forms: torch.nn.utils.prune's, and compressed sparse rows."""

from collections.abc import Callable

import torch
from torch import Tensor

from lottery.masks import Masks
from lottery.tensors import Tensors


def prune_form(weights: Tensors, masks: Masks) -> Tensors:
    """Return the state dict of a module that `torch.nn.utils.prune` has pruned.

    `fc1.weight` becomes `fc1.weight_orig`, zero where the mask is, and `fc1.weight_mask`.

    Example:
        >>> sorted(prune_form({"w": torch.ones(2)}, {"w": torch.tensor([True, False])}))
        ['w_mask', 'w_orig']
    """
    state = {name: tensor for name, tensor in weights.items() if name not in masks}
    for name, mask in masks.items():
        state[f"{name}_orig"] = weights[name]
        state[f"{name}_mask"] = mask.to(weights[name].dtype)
    return state


def csr_form(weights: Tensors, masks: Masks) -> Tensors:
    """Return the kept weights alone, in compressed sparse rows; the rest stays as it is.

    `fc1.weight` becomes `fc1.weight.crow_indices`, `.col_indices`, `.values` and `.shape`.
    A convolution's weight (out, in, height, width) is taken as the matrix (out, in * height *
    width). Kept weights that are 0 are stored too: the mask can be computed from the result.
    """
    state = {name: tensor for name, tensor in weights.items() if name not in masks}
    for name, mask in masks.items():
        for entry, tensor in _compress(weights[name], mask).items():
            state[f"{name}.{entry}"] = tensor
    return state


def _compress(weight: Tensor, mask: Tensor) -> Tensors:
    """Return one weight's rows.

    Example:
        >>> mask = torch.tensor([[True, False, True], [False, False, False]])
        >>> entries = _compress(torch.tensor([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]]), mask)
        >>> {name: entry.tolist() for name, entry in entries.items()}["crow_indices"]
        [0, 2, 2]
    """
    rows = mask.reshape(len(mask) if mask.dim() > 1 else 1, -1)
    crow = torch.cat([torch.zeros(1, dtype=torch.long), rows.sum(1).cumsum(0)])
    return {
        "crow_indices": crow.to(torch.int32),
        "col_indices": rows.nonzero()[:, 1].to(torch.int32),
        "values": weight.reshape(rows.shape)[rows],
        "shape": torch.tensor(weight.shape),
    }


FORMS: dict[str, Callable[[Tensors, Masks], Tensors]] = {"prune": prune_form, "csr": csr_form}

"""Losses of outputs and targets that are both floating-point numbers."""

from collections.abc import Callable

import torch
from torch import Tensor


def in_one_type(loss: Callable[..., Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    """Return a loss of outputs and targets in the wider of their types.

    Outputs may be in bfloat16, targets never are.
    """
    wider = torch.promote_types(outputs.dtype, targets.dtype)
    return loss(outputs.to(wider), targets.to(wider))

"""Inference with Linear weights in compressed sparse rows (CSR), which may be faster."""

import copy
import warnings

import torch
from torch import Tensor, nn

from lottery.data import Split
from lottery.measure.evaluate import inference_ms

REPEATS = 5
LARGEST_DENSITY = 0.5  # of the Linear weights; above it, CSR is never faster


class CsrLinear(nn.Module):
    """A Linear layer with its weight, whose pruned places are zero, in compressed sparse rows."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        with warnings.catch_warnings(action="ignore"):  # torch calls CSR a beta
            self.weight = layer.weight.detach().to_sparse_csr()
        self.bias: Tensor | None = layer.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """Return inputs @ weight.T + bias, (..., out)."""
        rows = inputs.flatten(0, -2)
        product: Tensor = torch.sparse.mm(self.weight, rows.T).T
        outputs = product.reshape(*inputs.shape[:-1], -1)
        return outputs if self.bias is None else outputs + self.bias


def with_csr(network: nn.Module) -> nn.Module:
    """Return a copy of a network with its Linear layers in CSR; all else stays dense."""
    copied = copy.deepcopy(network)
    for parent, name, layer in _linear_layers(copied):
        setattr(parent, name, CsrLinear(layer))
    return copied


def _linear_layers(network: nn.Module) -> list[tuple[nn.Module, str, nn.Linear]]:
    """Return the Linear layers below a network, save those that attention never calls."""
    return [
        (parent, name, child)
        for parent in network.modules()
        if not isinstance(parent, nn.MultiheadAttention)
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]


def inference_csr_ms(network: nn.Module, split: Split) -> float | None:
    """Return `inference_ms` with the Linear layers in CSR, or None where CSR cannot be faster.

    That is without a Linear layer, with more than half of the weights left, or if the device or
    the type does not support CSR.
    """
    weights = [layer.weight for _, _, layer in _linear_layers(network)]
    size = sum(weight.numel() for weight in weights)
    if not size or sum(int(w.count_nonzero()) for w in weights) > LARGEST_DENSITY * size:
        return None
    try:
        return inference_ms(with_csr(network), split, REPEATS)
    except (RuntimeError, NotImplementedError):  # for example, bfloat16
        return None

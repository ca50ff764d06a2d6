"""Floating-point operations of a forward pass, dense and under masks."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from lottery.generators import kept_generators
from lottery.masks import LAYERS, Masks, count_ones
from lottery.measure.evaluate import count_parameters, evaluating

TRANSPOSED = nn.modules.conv._ConvTransposeNd


def weight_uses(
    network: nn.Module, input_shape: tuple[int, ...], input_dtype: torch.dtype | None = None
) -> dict[str, int]:
    """Count how often each weight multiplies in a forward pass of one example, by layer.

    A Linear weight multiplies once. A Conv weight multiplies once per place of the output,
    Hout * Wout, for any groups, stride and padding; in a transposed convolution, once per place
    of the input. A layer that is called twice counts twice.
    """
    layers = [(n, m) for n, m in network.named_modules() if isinstance(m, LAYERS)]
    uses = {f"{name}.weight" if name else "weight": 0 for name, _ in layers}

    def count(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        here = inputs[0] if isinstance(layer, TRANSPOSED) else output
        weight = layer.weight
        channels = weight.shape[0]  # type: ignore[index]  # the channels of `here`
        name = f"{name}.weight" if name else "weight"
        uses[name] += prod(here.shape[1:]) // int(channels)

    hooks = [
        layer.register_forward_hook(
            lambda layer, inputs, output, name=name: count(name, layer, inputs, output)
        )
        for name, layer in layers
    ]
    first = next(network.parameters())
    try:
        with evaluating(network), kept_generators():
            dtype = input_dtype or first.dtype
            network(torch.zeros(1, *input_shape, dtype=dtype, device=first.device))
    finally:
        for hook in hooks:
            hook.remove()
    return uses


def count_flops(network: nn.Module, uses: Mapping[str, int], masks: Masks) -> dict[str, int]:
    """Count the FLOPs of one example by layer: two for each use of a weight that is left.

    Linear: 2 * in * out * density. Conv: 2 * kH * kW * Cin / groups * Cout * Hout * Wout *
    density. Biases, norms and activations are not counted.

    Example:
        >>> masks = {"weight": torch.tensor([[True, False, True]] * 2)}
        >>> count_flops(nn.Linear(3, 2), {"weight": 1}, masks)
        {'weight': 8}
    """
    parameters = dict(network.named_parameters(remove_duplicate=False))
    left = {name: parameters[name].numel() for name in uses} | count_ones(masks)
    return {name: 2 * number * left[name] for name, number in uses.items()}


def make_counter(
    network: nn.Module,
    input_shape: tuple[int, ...],
    frozen_flops: int = 0,
    input_dtype: torch.dtype | None = None,
) -> Callable[[Masks], dict[str, Any]]:
    """Return a function from masks to the parameters and operations of a round's record.

    `frozen_flops` are those of a frozen base that comes before the network.
    """
    uses = weight_uses(network, input_shape, input_dtype)
    dense_by_layer = count_flops(network, uses, {})
    dense = frozen_flops + sum(dense_by_layer.values())

    def count(masks: Masks) -> dict[str, Any]:
        counts = count_parameters(network, masks)
        by_layer = count_flops(network, uses, masks)
        left = frozen_flops + sum(by_layer.values())
        return {
            **counts,
            "flops": dense,
            "flops_remaining": left,
            "compression_ratio": _ratio(counts["params"], counts["params_remaining"]),
            "theoretical_speedup": _ratio(dense, left),
            "by_layer": {
                name: {"flops": dense_by_layer[name], "flops_remaining": number}
                for name, number in by_layer.items()
            },
        }

    return count


def _ratio(dense: float, left: float) -> float | None:
    return dense / left if left else None

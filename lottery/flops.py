"""Floating-point operations of a forward pass, dense and under masks."""

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor, nn

from lottery.masks import LAYERS, Masks, count_ones
from lottery.measure import evaluating

TRANSPOSED = nn.modules.conv._ConvTransposeNd


def weight_uses(network: nn.Module, input_shape: tuple[int, ...]) -> dict[str, int]:
    """How often each weight of a layer multiplies in a forward pass of one example, by name.

    A Linear weight once; a Conv weight once per place of the output, Hout * Wout, whatever
    groups, stride and padding are (of a transposed one: per place of the input). A layer that is
    called twice counts twice.

    Args:
        network: any; its parameters' type and device are the input's.
        input_shape: of one example.
    """
    uses: dict[str, int] = {}

    def count(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        here = inputs[0] if isinstance(layer, TRANSPOSED) else output
        weight = layer.weight
        channels = weight.shape[0]  # type: ignore[index]  # of what `here` is
        uses[name] = uses.get(name, 0) + prod(here.shape[1:]) // int(channels)

    layers = [(n, m) for n, m in network.named_modules() if isinstance(m, LAYERS)]
    hooks = [
        layer.register_forward_hook(
            lambda layer, inputs, output, name=f"{name}.weight": count(name, layer, inputs, output)
        )
        for name, layer in layers
    ]
    first = next(network.parameters())
    try:
        with evaluating(network), torch.random.fork_rng(devices=[]):
            network(torch.zeros(1, *input_shape, dtype=first.dtype, device=first.device))
    finally:
        for hook in hooks:
            hook.remove()
    return uses


def count_flops(sizes: Mapping[str, int], uses: Mapping[str, int], masks: Masks) -> dict[str, int]:
    """`flops` and `flops_remaining` of one example: two for each weight and use of it.

    FLOPs = 2 * in * out * density for Linear and
    2 * kH * kW * Cin / groups * Cout * Hout * Wout * density for Conv; biases, norms and
    activations are not counted.

    Args:
        sizes: number of weights by name; those without a mask count as they are.
        uses: of each weight.
        masks: by name.

    Example:
        >>> count_flops({"fc": 6}, {"fc": 1}, {"fc": torch.tensor([True, False, True] * 2)})
        {'flops': 12, 'flops_remaining': 8}
    """
    left = dict(sizes) | count_ones(masks)
    return {
        "flops": sum(2 * uses[name] * sizes[name] for name in uses),
        "flops_remaining": sum(2 * uses[name] * left[name] for name in uses),
    }

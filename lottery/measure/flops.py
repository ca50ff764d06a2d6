"""Floating-point operations of a forward pass, dense and under masks."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from lottery.generators import kept_generators
from lottery.masks import Masks
from lottery.measure.evaluate import count_parameters, evaluating

aten = torch.ops.aten
# The two factors among the arguments of each product. The rest are biases.
FACTORS = {
    aten.mm: (0, 1),
    aten.bmm: (0, 1),
    aten.addmm: (1, 2),
    aten.baddbmm: (1, 2),
    aten.convolution: (0, 1),
}


@dataclass(frozen=True)
class Part:
    """A weight that multiplies, or a part of it, as a view of the weight's memory.

    Queries, keys and values have one weight, whose parts can multiply differently often.
    """

    name: str
    layout: tuple[int, ...]  # strides of the weight itself
    size: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    def count(self, masks: Masks) -> int:
        """Count the elements that are left; without a mask these are all."""
        if self.name not in masks:
            return prod(self.size)
        mask = masks[self.name]
        laid_out = torch.empty_strided(mask.shape, self.layout, dtype=torch.bool).copy_(mask)
        return int(laid_out.as_strided(self.size, self.strides, self.offset).sum())


Products = dict[Part, int]  # FLOPs for each element that is left


class _Follow(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own has no types
    """Sees the operations of a forward pass, and follows the weights through some.

    Args:
        network: has the weights.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: Products = {}
        # By memory: recurrent layers on a GPU keep all weights in one.
        self._weights: dict[int, list[tuple[str, Tensor]]] = {}
        # Tensors made from weights alone, and the weight that each one stands for.
        self._made: dict[int, tuple[Tensor, Part | None]] = {}
        for buffer in network.buffers():
            self._made[_memory(buffer)] = buffer, None
        for name, weight in network.named_parameters():
            self._weights.setdefault(_memory(weight), []).append((name, weight))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = getattr(func, "overloadpacket", None)
        if torch.is_inference_mode_enabled() and packet not in FACTORS:
            with self:  # whole layers arrive here, which are single products elsewhere
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if packet in FACTORS:
            flops = flop_registry[packet](*args, **kwargs, out_val=result)
            self._count([args[place] for place in FACTORS[packet]], flops)
        inputs = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        if all(self._is_made_from_weights(tensor) for tensor in inputs):
            parts = [part for part in map(self._find, inputs) if part]
            for output in tree_leaves(result):
                if isinstance(output, Tensor) and not self._is_made_from_weights(output):
                    same = [part for part in parts if prod(part.size) == output.numel()]
                    self._made[_memory(output)] = output, same[0] if same else None
        return result

    def _count(self, factors: list[Tensor], flops: int) -> None:
        parts = [part for part in map(self._find, factors) if part]
        if parts and flops:  # of two weights, the last one multiplies the other
            each = flops // prod(parts[-1].size)
            self.products[parts[-1]] = self.products.get(parts[-1], 0) + each

    def _is_made_from_weights(self, tensor: Tensor) -> bool:
        memory = _memory(tensor)
        return memory in self._weights or memory in self._made

    def _find(self, tensor: Tensor) -> Part | None:
        """Return the weight, or the part of one, that a tensor is or stands for."""
        memory, offset = _memory(tensor), int(tensor.storage_offset())
        for name, weight in self._weights.get(memory, []):
            first = offset - int(weight.storage_offset())
            if 0 <= first < weight.numel():
                return Part(name, weight.stride(), tensor.shape, tensor.stride(), first)
        return self._made[memory][1] if memory in self._made else None


def _memory(tensor: Tensor) -> int:
    """Return what tells memories apart; 0 for a tensor without any of its own."""
    return int(tensor.untyped_storage()._cdata) if tensor.layout is torch.strided else 0


@contextmanager
def _plain_kernels(network: nn.Module) -> Iterator[None]:
    """Let attention and recurrent layers compute by single products."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as stack:
            if any(isinstance(module, nn.RNNBase) for module in network.modules()):
                stack.enter_context(warnings.catch_warnings(action="ignore"))
                stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def find_products(
    network: nn.Module, input_shape: tuple[int, ...], input_dtype: torch.dtype | None = None
) -> Products:
    """Find the products of weights with activations in a forward pass of one example.

    A Linear weight multiplies once for each position, a Conv weight once for each place of the
    output, for any groups, stride and padding; in a transposed convolution, once for each place of
    the input. Attention's products of activations with each other have no weights.
    """
    first = next(network.parameters())
    dtype = input_dtype or first.dtype
    example = torch.zeros(1, *input_shape, dtype=dtype, device=first.device)
    follow = _Follow(network)
    with evaluating(network), kept_generators(), _plain_kernels(network), follow:
        network(example)
    return follow.products


def count_flops(products: Products, masks: Masks) -> dict[str, int]:
    """Count the FLOPs of one example by weight: two for each multiplication by what is left.

    Linear: 2 * in * out * density. Conv: 2 * kH * kW * Cin / groups * Cout * Hout * Wout *
    density. Biases, norms, activations and products without weights are not counted.

    Example:
        >>> masks = {"weight": torch.tensor([[True, False, True]] * 2)}
        >>> count_flops(find_products(nn.Linear(3, 2), (3,)), masks)
        {'weight': 8}
    """
    flops: dict[str, int] = {}
    for part, each in products.items():
        flops[part.name] = flops.get(part.name, 0) + each * part.count(masks)
    return flops


def make_counter(
    network: nn.Module,
    input_shape: tuple[int, ...],
    frozen_flops: int = 0,
    input_dtype: torch.dtype | None = None,
) -> Callable[[Masks], dict[str, Any]]:
    """Return a function from masks to the parameters and operations of a round's record.

    `frozen_flops` are those of a frozen base that comes before the network.
    """
    products = find_products(network, input_shape, input_dtype)
    dense_by_layer = count_flops(products, {})
    dense = frozen_flops + sum(dense_by_layer.values())

    def count(masks: Masks) -> dict[str, Any]:
        counts = count_parameters(network, masks)
        by_layer = dict.fromkeys(masks, 0) | count_flops(products, masks)
        left = frozen_flops + sum(by_layer.values())
        return {
            **counts,
            "flops": dense,
            "flops_remaining": left,
            "compression_ratio": _ratio(counts["params"], counts["params_remaining"]),
            "theoretical_speedup": _ratio(dense, left),
            "by_layer": {
                name: {"flops": dense_by_layer.get(name, 0), "flops_remaining": number}
                for name, number in by_layer.items()
            },
        }

    return count


def make_parameter_counter(network: nn.Module) -> Callable[[Masks], dict[str, Any]]:
    """Return a function from masks to the parameters of a round's record, without operations."""

    def count(masks: Masks) -> dict[str, Any]:
        counts = count_parameters(network, masks)
        return {
            **counts,
            "compression_ratio": _ratio(counts["params"], counts["params_remaining"]),
            "theoretical_speedup": None,
            "by_layer": {name: {} for name in masks},
        }

    return count


def _ratio(dense: float, left: float) -> float | None:
    return dense / left if left else None

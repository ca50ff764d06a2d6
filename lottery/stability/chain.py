"""Networks whose units can be renumbered: chains of Linear and Conv layers, each one's alike."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lottery.models.state import State, write_state
from lottery.tensors import Tensors

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
ACCEPTED = "accepted: Linear and Conv layers, each of which feeds the next one and no other"
LARGEST_ERROR = 1e-3  # of an output, relative to the largest: sums in another order

Orders = list[
    Tensor
]  # of the units of each layer but the last: the new unit j is the old order[j]


class NoChain(ValueError):
    """A network is not a chain of Linear and Conv layers; the message says why."""


@dataclass(frozen=True)
class Chain:
    """A network's layers, in the order in which each feeds the next one."""

    modules: tuple[str, ...]  # their names
    weights: tuple[str, ...]  # the names of their weights
    biases: tuple[str | None, ...]
    widths: tuple[int, ...]  # the number of units of each layer but the last

    def reorder(self, tensors: Mapping[str, Tensor], orders: Sequence[Tensor]) -> Tensors:
        """Return weights, or masks, of the same network with its units in another order.

        Each unit takes along its weights in, its bias and its weights out.
        """
        found = dict(tensors)
        for name, bias, order in zip(self.weights, self.biases, orders, strict=False):
            for own in filter(None, (name, bias)):
                if own in found:
                    found[own] = found[own][order]
        for name, order in zip(self.weights[1:], orders, strict=True):
            if name in found:
                found[name] = _reorder_inputs(found[name], order)
        return found


def chain_of(network: nn.Module) -> Chain:
    """Return a network's layers as a chain.

    Raises:
        NoChain: it has other layers with parameters or buffers, or they do not fit each other.
    """
    layers = {
        name: module
        for name, module in network.named_modules()
        if [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    }
    for name, module in layers.items():
        whole = isinstance(module, CONVS) and module.groups == 1
        if not (whole or isinstance(module, nn.Linear)):
            raise NoChain(f"{name} is a {type(module).__name__}; {ACCEPTED}")
    weights = [module.get_parameter("weight") for module in layers.values()]
    for (name, _), before, weight in zip(
        list(layers.items())[1:], weights, weights[1:], strict=False
    ):
        if weight.shape[1] % before.shape[0]:
            raise NoChain(f"{name} does not take the outputs of the layer before; {ACCEPTED}")
    if len(layers) < 2:
        raise NoChain(f"it has no hidden layer; {ACCEPTED}")
    return Chain(
        modules=tuple(layers),
        weights=tuple(f"{name}.weight" for name in layers),
        biases=tuple(
            f"{name}.bias" if module.bias is not None else None for name, module in layers.items()
        ),
        widths=tuple(len(weight) for weight in weights[:-1]),
    )


def check_chain(network: nn.Module, chain: Chain, state: State, inputs: Tensor) -> None:
    """Check that a network with its units in another order computes the same.

    Names and shapes do not tell how `forward` connects the layers.

    Raises:
        NoChain: it computes something else.
    """
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(width, generator=generator) for width in chain.widths]
    shuffled = State(chain.reorder(state.weights, orders), state.buffers)
    outputs = []
    probe = copy.deepcopy(network).eval()
    for one in (state, shuffled):
        write_state(probe, one)
        with torch.no_grad():
            outputs.append(probe(inputs))
    error = float((outputs[0] - outputs[1]).abs().max())
    if error > LARGEST_ERROR * float(outputs[0].abs().max()):
        raise NoChain(f"with its units in another order it computes something else; {ACCEPTED}")


def _reorder_inputs(weight: Tensor, order: Tensor) -> Tensor:
    """Reorder a layer's inputs; after a convolution each channel is several inputs of a Linear."""
    places = weight.shape[1] // len(order)
    inputs = order[:, None] * places + torch.arange(places)
    return weight[:, inputs.flatten()]

"""Renumber a network's units to be like another's: git re-basin (Ainsworth et al. 2023).

Two networks can be the same but for the order of their hidden units. A straight line between
them then leads through networks of neither kind.
"""

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from lottery.data import Split
from lottery.models.state import State, write_state
from lottery.stability.chain import Chain, Orders
from lottery.tensors import Tensors

NUM_EXAMPLES = 256  # whose activations are compared
AT_ONCE = 32  # of them in memory
LEAST_GAIN = 1e-12  # of a sweep, relative: less is rounding


def match_weights(chain: Chain, first: Tensors, second: Tensors) -> Orders:
    """Return the orders of the second network's units that make its weights most like the first's.

    The sum over all layers of the products of their weights is maximised, one layer after the
    other while the others stay, by solving an assignment problem for each (their algorithm 1).
    The layers are passed from the inputs on, at first by their weights in alone.
    """
    one, other = (
        {name: tensor.double() for name, tensor in tensors.items()} for tensors in (first, second)
    )
    orders = [torch.arange(width) for width in chain.widths]
    for layer in range(len(orders)):
        orders[layer] = _assign(_alike_in(chain, one, other, orders, layer))
    best = _likeness(chain, one, chain.reorder(other, orders))
    while True:
        for layer in range(len(orders)):
            incoming = _alike_in(chain, one, other, orders, layer)
            orders[layer] = _assign(incoming + _alike_out(chain, one, other, orders, layer))
        now = _likeness(chain, one, chain.reorder(other, orders))
        if now <= best + LEAST_GAIN * abs(best):
            return orders
        best = now


def match_activations(
    chain: Chain, network: nn.Module, first: State, second: State, train: Split
) -> Orders:
    """Return the orders of the second network's units that make its activations most like.

    The sum over the units of a layer of the products of what both compute, before the activation
    function, is maximised on examples of the training split.
    """
    alike = [torch.zeros(width, width, dtype=torch.float64) for width in chain.widths]
    networks = [copy.deepcopy(network).eval() for _ in range(2)]
    for one, state in zip(networks, (first, second), strict=True):
        write_state(one, state)
    for inputs in _some_inputs(train):
        of_both = [_activations(one, chain, inputs) for one in networks]
        products = [
            (ours @ theirs.T).double().cpu() for ours, theirs in zip(*of_both, strict=True)
        ]
        alike = [sums + more for sums, more in zip(alike, products, strict=True)]
    return [_assign(sums) for sums in alike]


def some_inputs(train: Split) -> Tensor:
    """Return a few inputs of the training split."""
    return next(_some_inputs(train))


def _some_inputs(train: Split) -> Iterator[Tensor]:
    """Yield inputs in a random but fixed order, because a split may be sorted by class."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(train), generator=generator)[:NUM_EXAMPLES]
    for rows in torch.split(order.to(train.targets.device), AT_ONCE):
        yield train.batch(rows)[0]


def _assign(alike: Tensor) -> Tensor:
    """Return for each unit of the first network the unit of the second that it gets."""
    return torch.from_numpy(linear_sum_assignment(alike.numpy(), maximize=True)[1])


def _alike_in(chain: Chain, one: Tensors, other: Tensors, orders: Orders, layer: int) -> Tensor:
    """Return the products of the units' weights in and biases, (units, units)."""
    name, bias = chain.weights[layer], chain.biases[layer]
    before = [*orders[:layer], *(torch.arange(width) for width in chain.widths[layer:])]
    theirs = chain.reorder({name: other[name]}, before)[name]
    alike = one[name].flatten(1) @ theirs.flatten(1).T
    return alike + torch.outer(one[bias], other[bias]) if bias else alike


def _alike_out(chain: Chain, one: Tensors, other: Tensors, orders: Orders, layer: int) -> Tensor:
    """Return the products of the units' weights out, (units, units)."""
    name, width = chain.weights[layer + 1], chain.widths[layer]
    theirs = other[name]
    if layer + 1 < len(orders):
        theirs = theirs[orders[layer + 1]]
    ours, theirs = (
        weight.reshape(len(weight), width, -1).transpose(0, 1).flatten(1)
        for weight in (one[name], theirs)
    )
    return ours @ theirs.T


def _likeness(chain: Chain, one: Tensors, other: Tensors) -> float:
    names = [*chain.weights, *filter(None, chain.biases)]
    return sum(float((one[name] * other[name]).sum()) for name in names)


def _activations(network: nn.Module, chain: Chain, inputs: Tensor) -> list[Tensor]:
    """Return what the units of each layer but the last compute, (units, examples and places)."""
    found: dict[str, Tensor] = {}
    with ExitStack() as stack, torch.no_grad():
        for name in chain.modules[:-1]:
            hook = partial(_keep_outputs, found, name)
            handle = network.get_submodule(name).register_forward_hook(hook)
            stack.callback(handle.remove)
        network(inputs)
    return [found[name] for name in chain.modules[:-1]]


def _keep_outputs(
    found: dict[str, Tensor], name: str, module: nn.Module, _: object, outputs: Tensor
) -> None:
    units = -1 if isinstance(module, nn.Linear) else 1
    found[name] = outputs.movedim(units, 0).flatten(1)

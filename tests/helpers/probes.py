"""Small networks on a few examples, for criteria that run the network."""

from collections.abc import Callable, Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn

from lottery.data import Split
from lottery.masks import Masks, ones, prunable_weights
from lottery.measure.evaluate import Loss
from lottery.models.state import read_state
from lottery.pruning import NetworkProbe, Trained


def trained_network(
    network: nn.Module,
    train: Split,
    loss: Loss = nn.functional.cross_entropy,
    masks: Masks | None = None,
    seed: int = 0,
    names: Iterable[str] | None = None,
) -> Trained:
    """Return what a criterion sees of a network. The probe's own weights differ, to no effect."""
    state = read_state(network)
    names = prunable_weights(network) if names is None else names
    weights = {name: state.weights[name] for name in names}
    other = deepcopy(network)
    with torch.no_grad():
        for tensor in (*other.parameters(), *other.buffers()):
            tensor.fill_(1 if tensor.is_floating_point() else 0)

    def probe(dtype: torch.dtype) -> NetworkProbe:
        return NetworkProbe(deepcopy(other).to(dtype), train, loss, tuple(train.inputs.shape[1:]))

    generator = torch.Generator().manual_seed(seed)
    masks = masks or ones(weights)
    dense = Trained(1, weights, weights, masks, generator, state, probe)
    return dense.under(masks)


def make(builder: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """Return a network in double precision with weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return builder().double()


def examples(shape: tuple[int, ...], number: int, classes: int) -> Split:
    """Return noise in double precision, the classes in turn."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(number, *shape, generator=generator, dtype=torch.float64)
    return Split(inputs, torch.arange(number) % classes)


def half_square(outputs: Tensor, _: Tensor) -> Tensor:
    """Return a loss whose Hessian in the weights of y = w x is the mean of x x'."""
    return outputs.square().mean() / 2

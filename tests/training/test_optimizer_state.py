"""Optimizer state is read and restored by name: the training continues bit for bit."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from lottery.models.state import State, read_state, write_optimizer, write_state
from lottery.tensors import digest, load_tensors, save_tensors

Make = Callable[..., Optimizer]

OPTIMIZERS: dict[str, Make] = {
    "adam": partial(Adam, lr=0.01),
    "adam fused": partial(Adam, lr=0.01, fused=True),
    "adamw amsgrad": partial(AdamW, lr=0.01, amsgrad=True, weight_decay=0.1),
    "sgd momentum": partial(SGD, lr=0.01, momentum=0.9),
    "sgd nesterov": partial(SGD, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop": partial(RMSprop, lr=0.01, momentum=0.9, centered=True),
}


def _in_groups(parameters: list[nn.Parameter]) -> Optimizer:
    """Biases come first here, unlike in the network."""
    biases = [parameter for parameter in parameters if parameter.ndim < 2]
    weights = [parameter for parameter in parameters if parameter.ndim > 1]
    return AdamW([{"params": biases, "weight_decay": 0.0}, {"params": weights}], lr=0.01)


OPTIMIZERS["adamw in groups"] = _in_groups
OF_EACH = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())


class Network(nn.Module):
    """The first layer is frozen, so that places among all and trainable parameters differ.

    The second lies in memory as convolutions do on a CPU, and files do not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.hidden = nn.Conv2d(4, 4, 2).to(memory_format=torch.channels_last)
        self.output = nn.Linear(4, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        images = self.frozen(inputs)[:, :, None, None].expand(-1, -1, 2, 2)
        result: torch.Tensor = self.output(self.hidden(images).flatten(1).relu())
        return result


def _optimizer(network: nn.Module, make: Make) -> Optimizer:
    return make([parameter for parameter in network.parameters() if parameter.requires_grad])


def _train(network: nn.Module, optimizer: Optimizer, first: int, stop: int) -> None:
    for step in range(first, stop):
        generator = torch.Generator().manual_seed(step)
        loss = network(torch.randn(8, 4, generator=generator)).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _after_three_steps(make: Make) -> tuple[nn.Module, Optimizer]:
    torch.manual_seed(0)
    network = Network()
    optimizer = _optimizer(network, make)
    _train(network, optimizer, 0, 3)
    return network, optimizer


def _go_on(make: Make, state: State, *, restore: bool) -> str:
    network = Network()
    write_state(network, state)
    optimizer = _optimizer(network, make)
    write_optimizer(network, optimizer, state.optimizer if restore else {})
    _train(network, optimizer, 3, 7)
    return _digest(read_state(network, optimizer))


def _digest(state: State) -> str:
    return digest({**state.weights, **state.optimizer})


@OF_EACH
def test_a_restored_optimizer_goes_on_bit_for_bit(make: Make) -> None:
    network, optimizer = _after_three_steps(make)
    state = read_state(network, optimizer)
    _train(network, optimizer, 3, 7)
    assert _go_on(make, state, restore=True) == _digest(read_state(network, optimizer))


@OF_EACH
def test_a_fresh_optimizer_goes_another_way(make: Make) -> None:
    """Otherwise the test above could not fail."""
    state = read_state(*_after_three_steps(make))
    assert _go_on(make, state, restore=False) != _go_on(make, state, restore=True)


@OF_EACH
def test_the_stored_state_is_not_trained(make: Make) -> None:
    network, optimizer = _after_three_steps(make)
    state = read_state(network, optimizer)
    before = _digest(state)
    _train(network, optimizer, 3, 5)  # the one it was read from
    _go_on(make, state, restore=True)  # the one it was written to
    assert _digest(state) == before


@OF_EACH
def test_a_state_survives_its_file(make: Make, tmp_path: Path) -> None:
    state = read_state(*_after_three_steps(make))
    save_tensors(tmp_path / "optimizer.safetensors", state.optimizer)
    stored = load_tensors(tmp_path / "optimizer.safetensors")
    read_back = State(state.weights, state.buffers, stored)
    assert _go_on(make, read_back, restore=True) == _go_on(make, state, restore=True)


def test_entries_are_named_by_parameter_and_frozen_ones_have_none() -> None:
    state = read_state(*_after_three_steps(partial(Adam, lr=0.01)))
    parameters = ("hidden.weight", "hidden.bias", "output.weight", "output.bias")
    entries = ("step", "exp_avg", "exp_avg_sq")
    assert state.optimizer.keys() == {f"{p}/{e}" for p in parameters for e in entries}
    assert state.optimizer["hidden.weight/step"] == 3


def test_plain_sgd_has_no_state() -> None:
    assert read_state(*_after_three_steps(partial(SGD, lr=0.01))).optimizer == {}


def test_hyperparameters_are_the_new_optimizers_own() -> None:
    state = read_state(*_after_three_steps(partial(Adam, lr=0.01)))
    network = Network()
    optimizer = _optimizer(network, partial(Adam, lr=0.5))
    write_optimizer(network, optimizer, state.optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_state_of_an_unknown_parameter_is_refused() -> None:
    network = Network()
    optimizer = _optimizer(network, partial(Adam, lr=0.01))
    with pytest.raises(ValueError, match="in list"):
        write_optimizer(network, optimizer, {"fc9.weight/exp_avg": torch.ones(1)})

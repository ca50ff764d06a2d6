"""The state of a network: copied in and out, never shared, drawn from a seed alone."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from lottery.models.state import (
    State,
    all_buffers,
    fresh_state,
    read_state,
    write_state,
)
from lottery.tensors import digest

WEIGHTS = {"0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"}
BUFFERS = {"1.running_mean", "1.running_var", "1.num_batches_tracked"}


def _network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)
    )


def _train(network: nn.Module, steps: int = 1) -> None:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        loss = network(torch.randn(8, 1, 6, 6, generator=generator)).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _digest(state: State) -> str:
    return digest({**state.weights, **state.buffers, **state.optimizer})


def test_a_state_holds_every_parameter_and_every_buffer() -> None:
    network = _network()
    network[4].weight.requires_grad_(False)  # frozen ones too
    network.register_buffer("scratch", torch.zeros(2), persistent=False)
    state = read_state(network)
    assert state.weights.keys() == WEIGHTS
    assert state.buffers.keys() == {*BUFFERS, "scratch"}
    assert all_buffers(network).keys() == {*BUFFERS, "scratch"}
    assert state.optimizer == {}


def test_a_state_needs_no_gradient() -> None:
    assert not any(w.requires_grad for w in read_state(_network()).weights.values())


def test_training_after_reading_leaves_the_state() -> None:
    network = _network()
    state = read_state(network)
    before = _digest(state)
    _train(network, steps=2)
    assert _digest(read_state(network)) != before
    assert _digest(state) == before


def test_training_after_writing_leaves_the_state() -> None:
    network, state = _network(), read_state(_network())
    before = _digest(state)
    write_state(network, state)
    assert _digest(read_state(network)) == before
    _train(network, steps=2)
    assert _digest(read_state(network)) != before
    assert _digest(state) == before


def test_writing_keeps_the_networks_own_parameters() -> None:
    """An optimizer holds them: replaced ones would silently not be trained."""
    network = _network()
    parameters = list(network.parameters())
    write_state(network, read_state(_network()))
    assert all(a is b for a, b in zip(network.parameters(), parameters, strict=True))
    assert all(parameter.requires_grad for parameter in parameters)


def test_rewinding_restores_batch_norm_and_its_count() -> None:
    network = _network()
    _train(network, steps=3)
    state = read_state(network)
    _train(network, steps=2)
    assert network[1].num_batches_tracked == 5
    write_state(network, state)
    assert network[1].num_batches_tracked == 3
    assert _digest(read_state(network)) == _digest(state)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.weights.pop("4.bias"), r"fit another network: 4\.bias"),
        (lambda s: s.buffers.pop("1.running_var"), r"fit another network: 1\.running_var"),
        (lambda s: s.weights.update({"5.bias": torch.ones(1)}), r"another network: 5\.bias"),
        (
            lambda s: s.weights.update({"4.weight": torch.ones(3, 1)}),  # would broadcast
            r"4\.weight: stored with shape \(3, 1\), the network has \(3, 32\)",
        ),
    ],
)
def test_a_state_of_another_network_is_refused(
    change: Callable[[State], object], words: str
) -> None:
    state = read_state(_network())
    change(state)
    with pytest.raises(ValueError, match=words):
        write_state(_network(), state)


def test_a_fresh_state_depends_on_its_seed_alone() -> None:
    torch.manual_seed(1)
    first = _digest(fresh_state(_network, seed=7))
    torch.manual_seed(2)
    assert _digest(fresh_state(_network, seed=7)) == first
    assert _digest(fresh_state(_network, seed=8)) != first


def test_a_fresh_state_leaves_the_global_generator_as_it_was() -> None:
    before = torch.get_rng_state()
    fresh_state(_network, seed=7)
    assert torch.equal(torch.get_rng_state(), before)

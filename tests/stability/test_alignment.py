"""Networks aligned: a copy with its units in another order is put back exactly."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lottery.data import Split, Splits
from lottery.errors import ConfigError
from lottery.masks import Masks, masked
from lottery.models import LeNet5, LeNet300100
from lottery.models.state import State, read_state, write_state
from lottery.record.run_dir import StabilityDir
from lottery.stability.chain import NoChain, chain_of, check_chain
from lottery.stability.interpolation import between, error_barrier, evenly_spaced, measure_at
from lottery.stability.lines import ALIGNMENTS, Line, LineAnalysis, StoredNetwork, align
from lottery.tasks import Classification
from lottery.tensors import digest
from lottery.training import LightningFit
from tests.helpers.toy_runs import ToyDropout, ToyResNet, toy_fit


class Residual(nn.Module):
    """Its layers fit each other like those of a chain, but there is a way around one."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(108, 8)
        self.second = nn.Linear(8, 8)
        self.output = nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs.flatten(1)).relu()
        logits: Tensor = self.output(hidden + self.second(hidden).relu())
        return logits


def images() -> Splits:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(60, 1, 12, 12, generator=generator)
    split = Split(inputs, torch.arange(60) % 3)
    return Splits(split, split, split, num_classes=3)


def fit_of(network: nn.Module) -> LightningFit:
    splits = images()
    return replace(toy_fit(network), load_splits=lambda: splits)


def pruned(network: nn.Module, keep: float) -> StoredNetwork:
    """Return a network with random weights and biases, of which a share is left."""
    generator = torch.Generator().manual_seed(2)
    weights = {
        name: torch.randn(weight.shape, generator=generator) / 4
        for name, weight in read_state(network).weights.items()
    }
    masks: Masks = {
        name: torch.rand(weight.shape, generator=generator) < keep
        for name, weight in weights.items()
        if weight.dim() > 1
    }
    return StoredNetwork(State(masked(weights, masks), {}), masks)


def planted(network: nn.Module, stored: StoredNetwork) -> StoredNetwork:
    """Return the same with its hidden units in another order."""
    chain, generator = chain_of(network), torch.Generator().manual_seed(3)
    orders = [torch.randperm(width, generator=generator) for width in chain.widths]
    state = State(chain.reorder(stored.state.weights, orders), {})
    return StoredNetwork(state, chain.reorder(stored.masks, orders))


def outputs(network: nn.Module, state: State) -> Tensor:
    write_state(network.eval(), state)
    with torch.no_grad():
        found: Tensor = network(images().train.inputs)
    return found


@pytest.mark.parametrize("how", ALIGNMENTS)
@pytest.mark.parametrize("keep", [1.0, 0.3])
@pytest.mark.parametrize("kind", [LeNet300100, LeNet5])
def test_a_copy_with_its_units_in_another_order_is_put_back(
    kind: type[nn.Module], keep: float, how: str
) -> None:
    network = kind((1, 12, 12), 3)
    first = pruned(network, keep)
    second = planted(network, first)
    assert digest(second.state.weights) != digest(first.state.weights)
    assert torch.allclose(outputs(network, first.state), outputs(network, second.state), atol=1e-4)
    found = align(fit_of(network), first, second, how)
    assert digest(found.state.weights) == digest(first.state.weights)
    assert digest(found.masks) == digest(first.masks)


def test_the_line_to_a_copy_in_another_order_has_a_barrier_until_it_is_aligned() -> None:
    network, splits = LeNet300100((1, 12, 12), 3), images()
    first = pruned(network, 1.0)
    second = planted(network, first)
    labels = outputs(network, first.state).argmax(1)  # so that both have no error
    split = Split(splits.train.inputs, labels)
    splits = Splits(split, split, split, num_classes=3)

    def barrier(other: StoredNetwork) -> float:
        errors = {}
        for alpha in evenly_spaced(5):
            state = between(first.state, other.state, alpha)
            loss, task = nn.CrossEntropyLoss(), Classification()
            found = measure_at(network, state, splits, loss=loss, task=task)
            errors[alpha] = 1 - found["test"].score
        return error_barrier(errors)

    assert barrier(second) > 0.05
    assert barrier(align(fit_of(network), first, second, "weights")) == 0.0


def test_an_aligned_network_computes_the_same_as_before() -> None:
    """Of two networks that have nothing in common, too."""
    network = LeNet5((1, 12, 12), 3)
    first = pruned(network, 1.0)
    other = StoredNetwork(State({n: w.flip(0) for n, w in first.state.weights.items()}, {}), {})
    for how in ALIGNMENTS:
        found = align(fit_of(network), first, other, how)
        assert digest(found.state.weights) != digest(other.state.weights)
        computed = outputs(network, found.state)
        assert torch.allclose(computed, outputs(network, other.state), atol=1e-4)


def test_other_networks_are_refused() -> None:
    with pytest.raises(NoChain, match="norm1 is a BatchNorm2d; accepted: Linear and Conv layers"):
        chain_of(ToyResNet())
    with pytest.raises(NoChain, match="it has no hidden layer"):
        chain_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    with pytest.raises(NoChain, match="1 does not take the outputs of the layer before"):
        chain_of(nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 2)))
    with pytest.raises(NoChain, match="0 is a Conv2d"):
        chain_of(nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Linear(4, 2)))
    network, inputs = Residual(), toy_fit().splits.train.inputs
    with pytest.raises(NoChain, match="in another order it computes something else"):
        check_chain(network, chain_of(network), read_state(network), inputs)
    plain = ToyDropout()
    check_chain(plain, chain_of(plain), read_state(plain), inputs)


def test_what_cannot_be_aligned_is_a_mistake(tmp_path: Path) -> None:
    fit = toy_fit(ToyResNet())
    stored = StoredNetwork(read_state(fit.network), {})
    line = Line(0, "", 1, first=lambda: stored, second=lambda: stored)
    analysis = LineAnalysis(fit, StabilityDir(tmp_path), [line], points=3, align="weights")
    with pytest.raises(ConfigError, match="--align weights: norm1 is a BatchNorm2d"):
        analysis.check()
    with pytest.raises(ValueError, match="align='units': one of weights, activations"):
        LineAnalysis(fit, analysis.folder, [line], points=3, align="units")

"""Stability to SGD noise: the barrier, distances, and networks on the line between two."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from lottery.models.state import State, read_state
from lottery.stability import interpolation
from lottery.stability.distances import distance
from lottery.stability.interpolation import (
    between,
    error_barrier,
    evenly_spaced,
    measure_at,
    recompute_norms,
)
from lottery.tasks import Classification
from lottery.tensors import digest
from tests.helpers.toy_runs import ToyResNet, toy_fit

# The barrier


@pytest.mark.parametrize(
    ("errors", "barrier"),
    [
        ([0.1, 0.1, 0.1], 0.0),
        ([0.1, 0.5, 0.1], 0.4),
        ([0.1, 0.2, 0.3], 0.1),  # a slope: the higher end minus the mean of both
        ([0.2, 0.1, 0.2], 0.0),  # a valley: the ends are points of the line too
        ([0.0, 0.25, 1.0, 0.5, 0.5], 0.75),
    ],
)
def test_the_barrier_is_the_highest_error_less_the_mean_of_the_ends(
    errors: Sequence[float], barrier: float
) -> None:
    line = dict(zip(evenly_spaced(len(errors)), errors, strict=True))
    assert error_barrier(line) == pytest.approx(barrier)


def test_a_line_has_a_point_between_its_ends() -> None:
    assert evenly_spaced(3) == [0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="points=2: 3 or more"):
        evenly_spaced(2)


class Parabola(nn.Module):
    """One weight w; class 1 where x < 4 w (1 - w), so that the error has a known form."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        height = 4 * self.w * (1 - self.w)
        return torch.stack([inputs[:, 0], height.expand(len(inputs))], dim=1)


def test_the_barrier_of_a_known_function() -> None:
    from lottery.data import Split, Splits

    inputs = torch.tensor([[0.1], [0.3], [0.5], [0.7], [0.9]])
    split = Split(inputs, torch.zeros(5, dtype=torch.long))  # correct where x >= 4 w (1 - w)
    splits = Splits(split, split, split, num_classes=2)
    network = Parabola()
    ends = State({"w": torch.tensor(0.0)}, {}), State({"w": torch.tensor(1.0)}, {})
    errors = {
        alpha: 1
        - measure_at(
            network,
            between(*ends, alpha),
            splits,
            loss=nn.functional.cross_entropy,
            task=Classification(),
        )["test"].score
        for alpha in evenly_spaced(5)
    }
    # 4 w (1 - w) = 0, 0.75, 1, 0.75, 0
    assert errors == pytest.approx({0.0: 0.0, 0.25: 0.8, 0.5: 1.0, 0.75: 0.8, 1.0: 0.0})
    assert error_barrier(errors) == 1.0


# Distances


def test_distances_are_of_the_kept_weights_alone() -> None:
    masks = {"a": torch.tensor([True, False]), "b": torch.tensor([True])}
    first = {"a": torch.tensor([1.0, 100.0]), "b": torch.tensor([1.0]), "bias": torch.ones(9)}
    second = {"a": torch.tensor([1.0, -100.0]), "b": torch.tensor([0.0]), "bias": -torch.ones(9)}
    found = distance(first, second, masks)
    assert found == {"l2": 1.0, "angle": pytest.approx(45.0)}


def test_equal_networks_are_no_distance_apart() -> None:
    weights, masks = {"a": torch.rand(50)}, {"a": torch.ones(50, dtype=torch.bool)}
    assert distance(weights, weights, masks) == distance(
        {"a": torch.zeros(50)}, weights, {"a": ~masks["a"]}
    )
    assert distance(weights, weights, masks) == {"l2": 0.0, "angle": 0.0}


# The line


def _state(**weights: Tensor) -> State:
    return State(weights, {})


def test_between_is_a_straight_line_with_exact_ends() -> None:
    first, second = _state(w=torch.rand(99)), _state(w=torch.rand(99) * 1e6)
    assert torch.equal(between(first, second, 0.0).weights["w"], first.weights["w"])
    assert torch.equal(between(first, second, 1.0).weights["w"], second.weights["w"])
    middle = (first.weights["w"] + second.weights["w"]) / 2
    assert torch.allclose(between(first, second, 0.5).weights["w"], middle)


def test_buffers_lie_on_the_line_too_and_counters_are_the_nearer_ones() -> None:
    first = State({}, {"mean": torch.tensor(1.0), "count": torch.tensor(3)})
    second = State({}, {"mean": torch.tensor(2.0), "count": torch.tensor(8)})
    found = between(first, second, 0.25).buffers
    assert (float(found["mean"]), int(found["count"])) == (1.25, 3)
    assert int(between(first, second, 0.5).buffers["count"]) == 8


def test_statistics_of_batch_norm_are_those_of_the_training_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against a hand loop: mean over three batches of the means and unbiased variances."""
    monkeypatch.setattr(interpolation, "EVALUATION_BATCH", 16)
    torch.manual_seed(0)
    network, train = ToyResNet(), toy_fit().splits.train
    network.norm1.momentum = 0.3
    order = torch.randperm(44, generator=torch.Generator().manual_seed(0))
    means, variances = [], []
    for rows in order.split([15, 15, 14]):
        hidden = network.conv1(train.inputs[rows]).detach()
        means.append(hidden.mean((0, 2, 3)))
        variances.append(hidden.var((0, 2, 3)))
    network.eval()
    recompute_norms(network, train)
    assert torch.allclose(network.norm1.running_mean, sum(means) / 3, atol=1e-6)
    assert torch.allclose(network.norm1.running_var, sum(variances) / 3, atol=1e-6)
    assert not any(layer.training for layer in network.modules())
    assert (network.norm1.momentum, network.norm2.momentum) == (0.3, 0.1)
    before = read_state(network)
    recompute_norms(network, train)
    assert digest(read_state(network).buffers) == digest(before.buffers)


def test_dropout_stays_out_of_the_statistics() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.BatchNorm1d(108))
    train = toy_fit().splits.train
    recompute_norms(network.train(), train)
    norm = network[2]
    assert isinstance(norm, nn.BatchNorm1d)
    assert torch.allclose(norm.running_mean, train.inputs.flatten(1).mean(0), atol=1e-6)
    assert network.training

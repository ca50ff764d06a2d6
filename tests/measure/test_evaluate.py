"""Measurements of a network, against sums by hand."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lottery.data import Split
from lottery.masks import ones
from lottery.measure import evaluate as measure
from lottery.measure.evaluate import (
    Evaluation,
    count_live_zeros,
    count_parameters,
    evaluate,
    evaluation_batch,
)
from lottery.models import LeNet300100
from lottery.models.state import all_buffers
from lottery.tasks import Classification, Loss
from lottery.tensors import digest


def _first(logits: Tensor, targets: Tensor) -> Tensor:
    """Return a loss that is easily added up by hand: the mean of the first logits."""
    return logits[:, 0].mean()


# The inputs are the logits. Losses 8, 1, 2, 3, 4; classes 0, 1, 1, 0, 1.
LOGITS = torch.tensor([[8.0, 0.0], [1.0, 5.0], [2.0, 5.0], [3.0, 0.0], [4.0, 5.0]])
SPLIT = Split(LOGITS, torch.tensor([0, 1, 0, 0, 0]))


def _evaluate(network: nn.Module, split: Split = SPLIT, loss: Loss = cross_entropy) -> Evaluation:
    return evaluate(network, split, loss=loss, task=Classification())


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 5, 1000])
def test_every_example_counts_once_however_the_split_is_cut(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "EVALUATION_BATCH", chunk)
    result = _evaluate(nn.Identity(), SPLIT, _first)
    assert result.loss == pytest.approx((8 + 1 + 2 + 3 + 4) / 5)
    assert result.score == 3 / 5


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 28, 28), 1000),
        ((3, 64, 64), 1000),
        ((3, 96, 96), 444),
        ((3, 224, 224), 81),
        ((), 1000),
    ],
)
def test_large_images_are_evaluated_in_smaller_batches(shape: tuple[int, ...], size: int) -> None:
    inputs = torch.empty(2, *shape, device="meta")
    assert evaluation_batch(Split(inputs, torch.zeros(2))) == size


def test_a_last_chunk_that_is_shorter_does_not_weigh_more() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2300, 4, generator=generator)
    logits[2000:] *= 10  # the last chunk, of 300, has a much higher loss
    targets = torch.randint(4, (2300,), generator=generator)
    result = _evaluate(nn.Identity(), Split(logits, targets))
    losses = [
        math.log(sum(math.exp(value) for value in row)) - row[target]
        for row, target in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    assert result.loss == pytest.approx(math.fsum(losses) / 2300, rel=1e-6)
    assert result.score == int((logits.argmax(1) == targets).sum()) / 2300


def _noisy() -> nn.Sequential:
    """Return a network whose outputs are random and whose buffers change in training mode."""
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2))


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_is_in_evaluation_mode_and_leaves_the_network_as_it_was(
    training: bool,
) -> None:
    network = _noisy().train(training)
    before = digest({**dict(network.named_parameters()), **all_buffers(network)})
    generator = torch.get_rng_state()
    first = _evaluate(network)
    assert _evaluate(network).loss == first.loss  # no dropout
    assert all(module.training is training for module in network.modules())
    assert digest({**dict(network.named_parameters()), **all_buffers(network)}) == before
    assert torch.equal(torch.get_rng_state(), generator)


def test_evaluation_takes_no_gradients() -> None:
    network = _noisy()
    needed: list[bool] = []

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        needed.append(logits.requires_grad)
        return cross_entropy(logits, targets)

    _evaluate(network, SPLIT, loss)
    assert needed == [False]
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.is_grad_enabled()


class Caching(nn.Module):
    """Makes a table in its first forward pass, as networks with positions do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.table: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        if self.table is None:
            self.table = torch.full((2,), 3.0)
        result: Tensor = self.layer(inputs) * self.table
        return result


def test_what_a_network_made_under_evaluation_can_be_trained_with() -> None:
    network = Caching()
    _evaluate(network)
    cross_entropy(network(LOGITS), SPLIT.targets).backward()
    assert network.layer.weight.grad is not None


def test_parameters_of_lenet_under_masks() -> None:
    network = LeNet300100((1, 8, 8), 10)
    weights = 64 * 300 + 300 * 100 + 100 * 10  # 50,200
    biases = 300 + 100 + 10
    masks = ones({"fc1.weight": network.fc1.weight})  # the other layers are not prunable
    assert count_parameters(network, masks) == {
        "remaining_all": 1.0,
        "params": weights + biases,
        "params_remaining": weights + biases,
    }
    masks["fc1.weight"][:150] = False  # half of 19,200
    assert count_parameters(network, masks) == {
        "remaining_all": (weights - 9600) / weights,
        "params": weights + biases,
        "params_remaining": weights + biases - 9600,
    }


def test_frozen_weights_are_parameters_but_not_among_all_weights() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    network[0].requires_grad_(False)
    masks = {"2.weight": torch.ones(3, 4, dtype=torch.bool)}
    masks["2.weight"][0] = False
    assert count_parameters(network, masks) == {
        "remaining_all": 8 / 12,
        "params": 8 + 4 + 4 + 4 + 12 + 3,
        "params_remaining": 35 - 4,
    }


def test_live_zeros_are_kept_weights_that_are_zero() -> None:
    weights = {
        "a": torch.tensor([0.0, 1.0, -0.0, 0.0]),
        "b": torch.tensor([1e-40, 2.0]),  # denormal, not zero
        "bias": torch.zeros(3),
    }
    masks = {
        "a": torch.tensor([True, True, True, False]),
        "b": torch.tensor([True, False]),
    }
    assert count_live_zeros(weights, masks) == {"a": 2, "b": 0}

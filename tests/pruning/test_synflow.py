"""SynFlow: flow is conserved, no layer empties before the others, and inputs reach outputs."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from lottery.masks import Masks, count_ones, ones, prunable_weights
from lottery.pruning import Global, Magnitude, Random, ScoredPruner, SynFlow, Trained
from lottery.tensors import digest
from tests.helpers.probes import examples, make, trained_network
from tests.helpers.toy_runs import ToyResNet

IMAGE = (3, 32, 32)
VGG_16 = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)


class Vgg(nn.Module):
    """VGG-16's convolutions for images of 32 x 32, He normal, and one linear output layer."""

    def __init__(self, groups: Sequence[Sequence[int]]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = IMAGE[0]
        for group in groups:
            for width in group:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.output = nn.Linear(channels, 10)
        for weight in prunable_weights(self).values():
            nn.init.kaiming_normal_(weight)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.output(self.features(inputs).flatten(1))
        return outputs


NARROW = [[width // 16 for width in group] for group in VGG_16]


def _scored(network: nn.Module, shape: tuple[int, ...]) -> Trained:
    return trained_network(network, examples(shape, 1, 1))


def test_three_weights_by_hand() -> None:
    """x -> (-2 x, 3 x) -> relu -> 5 h_0 - h_1, biases 7 and 11: R = 2 * 5 + 3 * 1."""
    network = make(lambda: nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)))
    values = {"0.weight": [[-2], [3]], "0.bias": [7, 7], "2.weight": [[5, -1]], "2.bias": [11]}
    for name, parameter in network.named_parameters():
        parameter.data.copy_(torch.tensor(values[name]))
    scores = SynFlow()(_scored(network, (1,)))
    assert scores["0.weight"].flatten().tolist() == [10, 3]
    assert scores["2.weight"].flatten().tolist() == [10, 3]
    masks = {"0.weight": torch.tensor([[True], [False]]), "2.weight": torch.ones(1, 2).bool()}
    pruned = SynFlow()(_scored(network, (1,)).under(masks))
    assert pruned["2.weight"].flatten().tolist() == [10, 0]


def test_as_much_flows_into_a_layer_as_out_of_it() -> None:
    scores = SynFlow()(_scored(make(lambda: Vgg(NARROW)), IMAGE))
    sums = [float(score.sum()) for score in scores.values()]
    assert len(sums) == 14
    assert sums == pytest.approx([sums[0]] * 14, rel=1e-12)
    assert {score.dtype for score in scores.values()} == {torch.float64}


def test_of_batchnorm_biases_and_running_means_are_zero_and_weights_positive() -> None:
    network = make(ToyResNet)
    plain = SynFlow()(_scored(network, (3, 6, 6)))
    for norm in (network.norm1, network.norm2):
        norm.bias.data.fill_(4)
        norm.running_mean.fill_(-3)
        norm.weight.data.neg_()
    assert digest(SynFlow()(_scored(network, (3, 6, 6)))) == digest(plain)
    network.norm1.running_var.fill_(4)
    assert digest(SynFlow()(_scored(network, (3, 6, 6)))) != digest(plain)


def _prune(network: nn.Module, criterion: object, seed: int, left: float, times: int) -> Masks:
    trained = _scored(network, IMAGE)
    trained.generator.manual_seed(seed)
    rates = dict.fromkeys(trained.weights, 1 - left)
    return ScoredPruner(criterion, Global(), rates, iterations=times)(trained)


def _has_path(network: nn.Module, masks: Masks) -> bool:
    """Whether anything flows from the input to an output through the weights that are left."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(masks[name] if name in masks else torch.zeros_like(parameter))
        return bool(network(torch.ones(1, *IMAGE, dtype=torch.float64)).sum() > 0)


def _empties(masks: Masks) -> bool:
    return 0 in count_ones(masks).values()


def _compress(groups: Sequence[Sequence[int]], seeds: int, left: float) -> dict[str, list[bool]]:
    """For each seed whether a layer empties and whether a path is left, by criterion."""
    found: dict[str, list[bool]] = {}
    for criterion, times in ((SynFlow(), 100), (Magnitude(), 1), (Random(), 1)):
        name = type(criterion).__name__
        for seed in range(seeds):
            network = make(lambda: Vgg(groups), seed)
            weights = sum(mask.numel() for mask in ones(prunable_weights(network)).values())
            masks = _prune(network, criterion, seed, left, times)
            assert sum(count_ones(masks).values()) == weights - round((1 - left) * weights)
            found.setdefault(f"{name} empties", []).append(_empties(masks))
            found.setdefault(f"{name} path", []).append(_has_path(network, masks))
    return found


def test_synflow_keeps_a_path_where_magnitude_empties_a_layer() -> None:
    found = _compress(NARROW, seeds=1, left=1 / 200)
    assert found["SynFlow empties"] == [False]
    assert found["SynFlow path"] == [True]
    assert found["Magnitude path"] == [False]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_synflow_at_a_thousandth_of_vgg_16() -> None:
    """13 convolutions and 512 x 10 outputs, 14,715,584 weights, 5 seeds.

    Run by hand: SynFlow keeps a path in all, magnitude empties a layer in all, random pruning
    leaves no path in four of the five.
    """
    found = _compress(VGG_16, seeds=5, left=1 / 1000)
    assert found["SynFlow empties"] == [False] * 5
    assert found["SynFlow path"] == [True] * 5
    assert sum(found["Magnitude empties"]) >= 4


def test_buffers_that_are_no_numbers_are_left_as_they_are() -> None:
    network = make(lambda: nn.Linear(2, 1))
    network.register_buffer("seen", torch.tensor([True, False]))
    weight = network.weight.detach().abs()
    torch.testing.assert_close(SynFlow()(_scored(network, (2,)))["weight"], weight)

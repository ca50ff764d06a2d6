"""Conv-N, ResNet-20 and the VGGs: what they compute, and how their weights begin."""

from itertools import pairwise
from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from lottery.models import ConvN
from lottery.models.vgg import average_to
from tests.helpers.networks import CIFAR, VGG_19_WIDTHS, with_weights


def _assert_same(network: nn.Module, layers: nn.Module, inputs: Tensor) -> None:
    """The two give the same once they have the same random weights and biases."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for ours, theirs in zip(network.parameters(), layers.parameters(), strict=True):
            ours.copy_(torch.randn(ours.shape, generator=generator) / sqrt(ours[0].numel()))
            theirs.copy_(ours)
    torch.testing.assert_close(network(inputs), layers(inputs))


def _inputs(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def test_conv_4_is_pairs_of_convolutions_with_relu_and_pooling() -> None:
    layers = nn.Sequential(
        *(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()),
        nn.MaxPool2d(2),
        *(nn.Conv2d(64, 128, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(8_192, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)),
    )
    _assert_same(with_weights("conv_4"), layers, _inputs(2, *CIFAR))


class _Residual(nn.Module):
    """A block of He et al. 2016 in one piece."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.path = nn.Sequential(
            *(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)),
            *(nn.ReLU(), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)),
            nn.BatchNorm2d(outputs),
        )
        self.around = nn.Sequential()
        if stride == 2:
            self.around.append(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            self.around.append(nn.BatchNorm2d(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.path(inputs) + self.around(inputs))


def test_resnet_20_is_nine_blocks_with_connections_around_them() -> None:
    widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    layers = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(_Residual(a, b) for a, b in pairwise(widths)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )
    _assert_same(with_weights("resnet_20"), layers, _inputs(4, *CIFAR))


def test_vgg_19_is_convolutions_with_batch_norm_relu_and_four_poolings() -> None:
    layers: list[nn.Module] = []
    channels = 3
    for number, width in enumerate(VGG_19_WIDTHS, start=1):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        layers.append(nn.ReLU())
        if number in (2, 4, 8, 12):
            layers.append(nn.MaxPool2d(2))
        channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)]
    _assert_same(with_weights("vgg_19"), nn.Sequential(*layers), _inputs(2, *CIFAR))


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (7, 7), (8, 11)])
def test_vgg_16_averages_its_features_to_7_by_7_as_torchvision_does(size: tuple[int, int]) -> None:
    images = _inputs(2, 3, *size)
    expected = nn.functional.adaptive_avg_pool2d(images, 7)
    torch.testing.assert_close(average_to(images, 7), expected)


def test_dropout_drops_units_of_the_fully_connected_layers_in_training_only() -> None:
    network = ConvN((1, 8, 8), 10, convolutions=2, dropout=0.5)
    seen: dict[str, Tensor] = {}
    for name in ("fc2", "output"):
        network.get_submodule(name).register_forward_hook(
            lambda _, inputs, __, name=name: seen.update({name: inputs[0]})
        )
    images = _inputs(50, 1, 8, 8)
    network(images)
    in_training = {name: float((hidden == 0).float().mean()) for name, hidden in seen.items()}
    network.eval()(images)
    for name, hidden in seen.items():
        assert in_training[name] > float((hidden == 0).float().mean()) + 0.2


def test_no_dropout_draws_no_random_numbers() -> None:
    network = with_weights("conv_2", (1, 8, 8)).train()
    before = torch.get_rng_state()
    network(_inputs(2, 1, 8, 8))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "layer", "fan_in", "fan_out"),
    [
        ("conv_2", "conv2", 576, 576),
        ("conv_2", "fc1", 16_384, 256),
        ("resnet_20", "blocks.8.conv2", 576, 576),
        ("resnet_20", "blocks.6.shortcut", 32, 64),
        ("vgg_19", "conv16", 4_608, 4_608),
        ("vgg_19", "output", 512, 10),
    ],
)
def test_weights_are_gaussian_glorot(name: str, layer: str, fan_in: int, fan_out: int) -> None:
    weights = with_weights(name).get_parameter(f"{layer}.weight").detach()
    std = sqrt(2 / (fan_in + fan_out))
    assert weights.std().item() == pytest.approx(std, rel=0.06)
    assert weights.abs().max() > 2 * std  # a uniform one of this std ends at 1.73


@pytest.mark.parametrize("name", ["resnet_20", "vgg_19"])
def test_batch_norm_begins_at_scale_one(name: str) -> None:
    layers = [m for m in with_weights(name).modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(layers) == {"resnet_20": 21, "vgg_19": 16}[name]
    assert all(bool((m.weight == 1).all()) and not m.bias.any() for m in layers)

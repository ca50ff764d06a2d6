"""Conv-N, the ResNets and the VGGs: what they compute, and how their weights begin."""

from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from lottery.models import ConvN
from lottery.models.vgg import average_to
from lottery.models.wide_resnet import WideBlock
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
    """A path and a connection around it, which takes what `before` gives; He et al. 2016."""

    def __init__(
        self, before: list[nn.Module], path: list[nn.Module], around: list[nn.Module]
    ) -> None:
        super().__init__()
        self.before = nn.Sequential(*before)
        self.path = nn.Sequential(*path)
        self.around = nn.Sequential(*around)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.before(inputs)
        around = self.around(hidden) if len(self.around) else inputs
        result: Tensor = self.path(hidden) + around
        return result


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


def _basic(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    path = [_conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU()]
    path += [_conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)]
    return [_Residual([], path, _around(inputs, outputs, stride)), nn.ReLU()]


def _bottleneck(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    filters = outputs // 4
    path = [_conv(inputs, filters, 1), nn.BatchNorm2d(filters), nn.ReLU()]
    path += [_conv(filters, filters, 3, stride), nn.BatchNorm2d(filters), nn.ReLU()]
    path += [_conv(filters, outputs, 1), nn.BatchNorm2d(outputs)]
    return [_Residual([], path, _around(inputs, outputs, stride)), nn.ReLU()]


def _around(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    if inputs == outputs:
        return []
    return [_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)]


def _wide(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    before = [nn.BatchNorm2d(inputs), nn.ReLU()]
    path = [_conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU()]
    path.append(_conv(outputs, outputs, 3))
    return [_Residual(before, path, [_conv(inputs, outputs, 1, stride)])]


def _mean_and_classes(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


@pytest.mark.parametrize(("name", "blocks", "width"), [("resnet_20", 3, 1), ("resnet 32-2", 5, 2)])
def test_a_resnet_is_three_stages_of_blocks_with_connections_around_them(
    name: str, blocks: int, width: int
) -> None:
    channels = [16 * width, 32 * width, 64 * width]
    before = channels[0]
    layers = [_conv(3, before, 3), nn.BatchNorm2d(before), nn.ReLU()]
    for filters in channels:
        layers += _basic(before, filters, stride=1 if filters == before else 2)
        for _ in range(blocks - 1):
            layers += _basic(filters, filters, stride=1)
        before = filters
    layers += _mean_and_classes(before)
    _assert_same(with_weights(name), nn.Sequential(*layers), _inputs(4, *CIFAR))


def test_a_wide_resnet_normalises_before_each_convolution() -> None:
    layers = [_conv(3, 16, 3), *_wide(16, 32, 1), *_wide(32, 64, 2), *_wide(64, 128, 2)]
    layers += [nn.BatchNorm2d(128), nn.ReLU(), *_mean_and_classes(128)]
    network = with_weights("wide_resnet 10-2")
    _assert_same(network, nn.Sequential(*layers), _inputs(4, *CIFAR))


def test_resnet_18_with_the_stem_for_small_images() -> None:
    layers: list[nn.Module] = [_conv(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU()]
    before = 64
    for filters in (64, 128, 256, 512):
        layers += _basic(before, filters, stride=1 if filters == before else 2)
        layers += _basic(filters, filters, stride=1)
        before = filters
    layers += _mean_and_classes(512)
    _assert_same(with_weights("resnet_18 cifar"), nn.Sequential(*layers), _inputs(4, 3, 16, 16))


def test_resnet_50_is_bottleneck_blocks_with_the_stride_in_the_3x3_convolution() -> None:
    layers: list[nn.Module] = [_conv(3, 64, 7, 2), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, stride=2, padding=1))
    before = 64
    for filters, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            stride = 2 if filters > 64 and block == 0 else 1
            layers += _bottleneck(before, 4 * filters, stride)
            before = 4 * filters
    layers += _mean_and_classes(2048)
    _assert_same(with_weights("resnet_50"), nn.Sequential(*layers), _inputs(4, 3, 64, 64))


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
        zeros = float((hidden == 0).float().mean())
        assert in_training[name] > zeros + 0.4 * (1 - zeros)


def test_a_wide_resnet_drops_units_between_the_convolutions_of_a_block() -> None:
    block = WideBlock(4, 8, stride=1, dropout=0)
    seen: list[Tensor] = []
    block.conv2.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    for block.dropout in (0, 0.5):
        block(_inputs(50, 4, 8, 8))
    zeros, dropped = (float((hidden == 0).float().mean()) for hidden in seen)
    assert dropped == pytest.approx(zeros + 0.5 * (1 - zeros), abs=0.02)


@pytest.mark.parametrize("name", ["conv_2", "wide_resnet 10-2"])
def test_no_dropout_draws_no_random_numbers(name: str) -> None:
    network = with_weights(name, (1, 8, 8)).train()
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
        ("resnet 32-2", "blocks.14.conv2", 1_152, 1_152),
        ("vgg 11", "conv8", 4_608, 4_608),
        ("vgg_19", "conv16", 4_608, 4_608),
        ("vgg_19", "output", 512, 10),
    ],
)
def test_weights_are_gaussian_glorot(name: str, layer: str, fan_in: int, fan_out: int) -> None:
    weights = with_weights(name).get_parameter(f"{layer}.weight").detach()
    std = sqrt(2 / (fan_in + fan_out))
    assert weights.std().item() == pytest.approx(std, rel=0.06)
    assert weights.abs().max() > 2 * std  # a uniform one of this std ends at 1.73


@pytest.mark.parametrize(
    ("name", "layer", "fan_out"),
    [
        ("wide_resnet 10-2", "blocks.2.conv1", 9 * 128),
        ("wide_resnet 10-2", "blocks.2.shortcut", 128),
        ("resnet_18", "conv1", 49 * 64),
        ("resnet_18", "layer2.0.downsample.0", 128),
        ("resnet_18", "layer4.0.conv1", 9 * 512),
    ],
)
def test_weights_are_he_normal_by_fan_out(name: str, layer: str, fan_out: int) -> None:
    weights = with_weights(name).get_parameter(f"{layer}.weight").detach()
    std = sqrt(2 / fan_out)
    assert weights.std().item() == pytest.approx(std, rel=0.06)
    assert weights.abs().max() > 2 * std


@pytest.mark.parametrize("name", ["resnet_20", "vgg_19"])
def test_batch_norm_begins_at_scale_one(name: str) -> None:
    layers = [m for m in with_weights(name).modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(layers) == {"resnet_20": 21, "vgg_19": 16}[name]
    assert all(bool((m.weight == 1).all()) and not m.bias.any() for m in layers)

"""Conv-N, ResNet-20 and the VGGs: every layer's shape, numbers of weights, what they compute."""

from itertools import pairwise
from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from lottery.models import VGG16, VGG19, ConvN, ResNet20
from lottery.models.vgg import average_to

CIFAR = (3, 32, 32)
CONV_PAIRS = {
    "conv1": (64, 3, 3, 3),
    "conv2": (64, 64, 3, 3),
    "conv3": (128, 64, 3, 3),
    "conv4": (128, 128, 3, 3),
    "conv5": (256, 128, 3, 3),
    "conv6": (256, 256, 3, 3),
}
STAGE = {16: ("0", "1", "2"), 32: ("3", "4", "5"), 64: ("6", "7", "8")}
VGG_19_WIDTHS = [64, 64, 128, 128, 256, 256, 256, 256] + [512] * 8
VGG_16_CONVOLUTIONS = {
    "features.0": (64, 3, 3, 3),
    "features.2": (64, 64, 3, 3),
    "features.5": (128, 64, 3, 3),
    "features.7": (128, 128, 3, 3),
    "features.10": (256, 128, 3, 3),
    "features.12": (256, 256, 3, 3),
    "features.14": (256, 256, 3, 3),
    "features.17": (512, 256, 3, 3),
    "features.19": (512, 512, 3, 3),
    "features.21": (512, 512, 3, 3),
    "features.24": (512, 512, 3, 3),
    "features.26": (512, 512, 3, 3),
    "features.28": (512, 512, 3, 3),
}
NETWORKS = {
    "conv_2": lambda shape, classes: ConvN(shape, classes, convolutions=2, dropout=0),
    "conv_4": lambda shape, classes: ConvN(shape, classes, convolutions=4, dropout=0),
    "conv_6": lambda shape, classes: ConvN(shape, classes, convolutions=6, dropout=0),
    "resnet_20": ResNet20,
    "vgg_19": VGG19,
    "vgg_16": lambda shape, classes: VGG16(shape, classes, dropout=0.5),
}


def _on_meta(name: str, shape: tuple[int, ...] = CIFAR, classes: int = 10) -> nn.Module:
    with torch.device("meta"):
        network: nn.Module = NETWORKS[name](shape, classes)
    return network


def _small(name: str, shape: tuple[int, ...] = CIFAR) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network: nn.Module = NETWORKS[name](shape, 10)
    return network


def _weight_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """In order, of the weights alone."""
    named = network.named_parameters()
    return {name.removesuffix(".weight"): tuple(w.shape) for name, w in named if w.ndim > 1}


def _count(network: nn.Module) -> int:
    return sum(w.numel() for w in network.parameters() if w.ndim > 1)


@pytest.mark.parametrize(
    ("name", "fc1", "weights"),
    [
        ("conv_2", 16_384, 4_300_992),
        ("conv_4", 8_192, 2_425_024),
        ("conv_6", 4_096, 2_261_184),
    ],
)
def test_conv_n_on_cifar(name: str, fc1: int, weights: int) -> None:
    network = _on_meta(name)
    convolutions = dict(list(CONV_PAIRS.items())[: int(name[-1])])
    fully_connected = {"fc1": (256, fc1), "fc2": (256, 256), "output": (10, 256)}
    assert _weight_shapes(network) == convolutions | fully_connected
    assert _count(network) == weights


@pytest.mark.parametrize(
    ("name", "weights"), [("conv_2", 38_592), ("conv_4", 259_776), ("conv_6", 1_144_512)]
)
def test_convolutional_weights_of_conv_n(name: str, weights: int) -> None:
    assert sum(w.numel() for w in _on_meta(name).parameters() if w.ndim == 4) == weights


def test_resnet_20_on_cifar() -> None:
    shapes = {"conv": (16, 3, 3, 3)}
    before = 16
    for width, numbers in STAGE.items():
        for number in numbers:
            shapes[f"blocks.{number}.conv1"] = (width, before, 3, 3)
            shapes[f"blocks.{number}.conv2"] = (width, width, 3, 3)
            if before != width:
                shapes[f"blocks.{number}.shortcut"] = (width, before, 1, 1)
            before = width
    network = _on_meta("resnet_20")
    assert _weight_shapes(network) == shapes | {"output": (10, 64)}
    assert _count(network) == 270_896
    shortcuts = [w.numel() for name, w in network.named_parameters() if "shortcut.w" in name]
    assert shortcuts == [512, 2_048]
    assert 270_896 - sum(shortcuts) - 640 == 267_696


def test_vgg_19_on_cifar() -> None:
    inputs = [3, *VGG_19_WIDTHS]
    shapes: dict[str, tuple[int, ...]] = {
        f"conv{number}": (width, inputs[number - 1], 3, 3)
        for number, width in enumerate(VGG_19_WIDTHS, start=1)
    }
    network = _on_meta("vgg_19")
    assert _weight_shapes(network) == shapes | {"output": (10, 512)}
    assert _count(network) == 20_024_000
    assert _count(network) - 5_120 == 20_018_880


def test_vgg_16_has_torchvisions_names_and_shapes() -> None:
    network = _on_meta("vgg_16", (3, 224, 224), 1_000)
    classifier = {
        "classifier.0": (4_096, 25_088),
        "classifier.3": (4_096, 4_096),
        "classifier.6": (1_000, 4_096),
    }
    assert _weight_shapes(network) == VGG_16_CONVOLUTIONS | classifier
    assert _count(network) == 138_344_128
    layers = VGG_16_CONVOLUTIONS | classifier
    assert list(network.state_dict()) == [
        f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")
    ]


def test_vgg_16_loads_a_state_dict_of_torchvisions() -> None:
    """By its names alone, and strictly: none too many, none too few."""
    network = _on_meta("vgg_16", (3, 224, 224), 1_000)
    stored = {
        name: torch.empty(t.shape, device="meta") for name, t in network.state_dict().items()
    }
    assert network.load_state_dict(stored, strict=True, assign=True)


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"vgg_16"}))
def test_the_last_layer_is_called_output(name: str) -> None:
    layers = [n for n, module in _on_meta(name).named_modules() if isinstance(module, nn.Linear)]
    assert layers[-1] == "output"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("conv_2", (1, 2, 2)),
        ("conv_4", (1, 28, 28)),
        ("conv_6", (1, 28, 28)),
        ("conv_6", (3, 9, 17)),
        ("resnet_20", (1, 28, 28)),
        ("resnet_20", (3, 5, 9)),
        ("vgg_19", (1, 28, 28)),
        ("vgg_19", (3, 16, 50)),
        ("vgg_16", (1, 32, 32)),
        ("vgg_16", (3, 128, 128)),
        ("vgg_16", (3, 250, 300)),
    ],
    ids=str,
)
def test_images_of_other_sizes(name: str, shape: tuple[int, ...]) -> None:
    network = _on_meta(name, shape, 4).eval()
    assert network(torch.ones(2, *shape, device="meta")).shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "shape", "least"),
    [
        ("conv_2", (1, 1, 8), "2 or more"),
        ("conv_6", (3, 7, 8), "8 or more"),
        ("conv_2", (64,), "2 or more"),
        ("vgg_19", (3, 15, 32), "16 or more"),
        ("vgg_16", (3, 32, 31), "32 or more"),
        ("resnet_20", (784,), "height"),
    ],
    ids=str,
)
def test_images_that_are_too_small(name: str, shape: tuple[int, ...], least: str) -> None:
    with pytest.raises(ValueError, match=rf"input_shape=.*{least}"):
        _on_meta(name, shape)


@pytest.mark.parametrize(
    ("convolutions", "dropout", "argument"),
    [(3, 0, "convolutions=3"), (8, 0, "convolutions=8"), (2, 1, "dropout=1"), (2, -0.1, "-0.1")],
)
def test_conv_n_refuses_other_values(convolutions: int, dropout: float, argument: str) -> None:
    with pytest.raises(ValueError, match=argument):
        ConvN(CIFAR, 10, convolutions, dropout)


def test_vgg_16_refuses_a_dropout_of_one() -> None:
    with pytest.raises(ValueError, match="dropout=1"):
        VGG16(CIFAR, 10, dropout=1)


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
    _assert_same(_small("conv_4"), layers, _inputs(2, *CIFAR))


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
    _assert_same(_small("resnet_20"), layers, _inputs(4, *CIFAR))


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
    _assert_same(_small("vgg_19"), nn.Sequential(*layers), _inputs(2, *CIFAR))


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
    network = _small("conv_2", (1, 8, 8)).train()
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
    weights = _small(name).get_parameter(f"{layer}.weight").detach()
    std = sqrt(2 / (fan_in + fan_out))
    assert weights.std().item() == pytest.approx(std, rel=0.06)
    assert weights.abs().max() > 2 * std  # a uniform one of this std ends at 1.73


@pytest.mark.parametrize("name", ["resnet_20", "vgg_19"])
def test_batch_norm_begins_at_scale_one(name: str) -> None:
    layers = [m for m in _small(name).modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(layers) == {"resnet_20": 21, "vgg_19": 16}[name]
    assert all(bool((m.weight == 1).all()) and not m.bias.any() for m in layers)

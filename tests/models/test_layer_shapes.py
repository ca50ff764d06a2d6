"""Conv-N, ResNet-20 and the VGGs: every layer's shape, numbers of weights, sizes of images."""

import pytest
import torch
from torch import nn

from lottery.models import VGG16, ConvN, VGG16Base, VGG16Head
from tests.helpers.networks import CIFAR, NETWORKS, VGG_19_WIDTHS, on_meta, weight_shapes

CONV_PAIRS = {
    "conv1": (64, 3, 3, 3),
    "conv2": (64, 64, 3, 3),
    "conv3": (128, 64, 3, 3),
    "conv4": (128, 128, 3, 3),
    "conv5": (256, 128, 3, 3),
    "conv6": (256, 256, 3, 3),
}
STAGE = {16: ("0", "1", "2"), 32: ("3", "4", "5"), 64: ("6", "7", "8")}
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
    network = on_meta(name)
    convolutions = dict(list(CONV_PAIRS.items())[: int(name[-1])])
    fully_connected = {"fc1": (256, fc1), "fc2": (256, 256), "output": (10, 256)}
    assert weight_shapes(network) == convolutions | fully_connected
    assert _count(network) == weights


@pytest.mark.parametrize(
    ("name", "weights"), [("conv_2", 38_592), ("conv_4", 259_776), ("conv_6", 1_144_512)]
)
def test_convolutional_weights_of_conv_n(name: str, weights: int) -> None:
    assert sum(w.numel() for w in on_meta(name).parameters() if w.ndim == 4) == weights


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
    network = on_meta("resnet_20")
    assert weight_shapes(network) == shapes | {"output": (10, 64)}
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
    network = on_meta("vgg_19")
    assert weight_shapes(network) == shapes | {"output": (10, 512)}
    assert _count(network) == 20_024_000
    assert _count(network) - 5_120 == 20_018_880


def test_vgg_16_has_torchvisions_names_and_shapes() -> None:
    network = on_meta("vgg_16", (3, 224, 224), 1_000)
    classifier = {
        "classifier.0": (4_096, 25_088),
        "classifier.3": (4_096, 4_096),
        "classifier.6": (1_000, 4_096),
    }
    assert weight_shapes(network) == VGG_16_CONVOLUTIONS | classifier
    assert _count(network) == 138_344_128
    layers = VGG_16_CONVOLUTIONS | classifier
    assert list(network.state_dict()) == [
        f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")
    ]


def test_vgg_16_loads_a_state_dict_of_torchvisions() -> None:
    """By its names alone, and strictly: none too many, none too few."""
    network = on_meta("vgg_16", (3, 224, 224), 1_000)
    stored = {
        name: torch.empty(t.shape, device="meta") for name, t in network.state_dict().items()
    }
    assert network.load_state_dict(stored, strict=True, assign=True)


TORCHVISIONS_NAMES = ("vgg_16", "resnet_18", "resnet_34", "resnet_50", "resnet_18 cifar")


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - set(TORCHVISIONS_NAMES)))
def test_the_last_layer_is_called_output(name: str) -> None:
    layers = [n for n, module in on_meta(name).named_modules() if isinstance(module, nn.Linear)]
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
        ("resnet 32-2", (3, 5, 9)),
        ("wide_resnet 10-2", (1, 28, 28)),
        ("wide_resnet 10-2", (3, 5, 9)),
        ("resnet_18", (1, 8, 8)),
        ("resnet_18 cifar", (3, 64, 64)),
        ("resnet_50", (3, 64, 50)),
        ("vgg 11", (3, 16, 50)),
        ("vgg_19", (1, 28, 28)),
        ("vgg_19", (3, 16, 50)),
        ("vgg_16", (1, 32, 32)),
        ("vgg_16", (3, 128, 128)),
        ("vgg_16", (3, 250, 300)),
    ],
    ids=str,
)
def test_images_of_other_sizes(name: str, shape: tuple[int, ...]) -> None:
    network = on_meta(name, shape, 4).eval()
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
        ("resnet 32-2", (784,), "height"),
        ("wide_resnet 10-2", (784,), "height"),
        ("resnet_50", (784,), "height"),
        ("vgg 13", (3, 15, 32), "16 or more"),
    ],
    ids=str,
)
def test_images_that_are_too_small(name: str, shape: tuple[int, ...], least: str) -> None:
    with pytest.raises(ValueError, match=rf"input_shape=.*{least}"):
        on_meta(name, shape)


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


@pytest.mark.parametrize(
    ("size", "features"), [(128, 8_192), (224, 25_088), (32, 512), (100, 4_608)]
)
def test_features_of_vgg_16_follow_from_the_image_size(size: int, features: int) -> None:
    with torch.device("meta"):
        base = VGG16Base((3, size, size))
        head = VGG16Head((features,), 2, fc2=128)
        assert base(torch.zeros(2, 3, size, size)).shape == (2, features)
    assert head.fc1.weight.shape == (256, features)
    assert head.fc2.weight.shape == (128, 256)
    assert head.output.weight.shape == (2, 128)

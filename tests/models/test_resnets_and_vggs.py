"""Families of networks: published numbers of parameters, layers' names, torchvision's weights."""

from typing import Any

import pytest
import torch
from torch import nn

from lottery.models import VGG, ImageNetResNet, ResNet, WideResNet
from lottery.tensors import digest
from tests.helpers.networks import CIFAR, on_meta, weight_shapes, with_weights

IMAGENET = (3, 224, 224)

# All parameters, with 10 classes. He et al. 2016 print 0.27, 0.46, 0.66, 0.85 and 1.7 million in
# table 6, for connections without weights: the two 1x1 convolutions and their norms have 2,752
# more. Zagoruyko & Komodakis 2016 print 2.2, 8.9 and 36.5 million. The tests of pytorchcv have
# the same numbers for ResNet-20, -56, -110, WRN-16-10 and WRN-28-10.
ON_CIFAR = {
    "resnet 20-1": 269_722 + 2_752,
    "resnet 32-1": 464_154 + 2_752,
    "resnet 44-1": 658_586 + 2_752,
    "resnet 56-1": 853_018 + 2_752,
    "resnet 110-1": 1_727_962 + 2_752,
    "wide_resnet 40-2": 2_243_546,
    "wide_resnet 40-4": 8_949_210,
    "wide_resnet 16-10": 17_116_634,
    "wide_resnet 28-10": 36_479_194,
    "resnet_18 cifar": 11_173_962,
}
# `num_params` in torchvision
ON_IMAGENET = {"resnet_18": 11_689_512, "resnet_34": 21_797_672, "resnet_50": 25_557_032}
TORCHVISIONS_VGG = {11: 132_863_336, 13: 133_047_848, 16: 138_357_544, 19: 143_667_240}
VGG_CLASSIFIER = 123_642_856  # parameters of its three fully connected layers


def _num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("name", "number"), ON_CIFAR.items())
def test_numbers_of_parameters_on_cifar(name: str, number: int) -> None:
    assert _num_parameters(on_meta(name)) == number


@pytest.mark.parametrize(("name", "number"), ON_IMAGENET.items())
def test_numbers_of_parameters_on_imagenet(name: str, number: int) -> None:
    assert _num_parameters(on_meta(name, IMAGENET, 1_000)) == number


@pytest.mark.parametrize(("depth", "number"), TORCHVISIONS_VGG.items())
def test_convolutions_of_vgg_are_those_of_imagenet(depth: int, number: int) -> None:
    network = on_meta(f"vgg {depth}")
    convolutions = [weight for weight in network.parameters() if weight.ndim == 4]
    biases = sum(len(weight) for weight in convolutions)  # torchvision's have some
    assert sum(w.numel() for w in convolutions) == number - VGG_CLASSIFIER - biases
    assert len(convolutions) + 3 == depth
    assert weight_shapes(network)["output"] == (10, 512)


@pytest.mark.parametrize(("name", "other"), [("resnet 20-1", "resnet_20"), ("vgg 19", "vgg_19")])
def test_members_of_a_family_that_have_names_of_their_own(name: str, other: str) -> None:
    assert digest(with_weights(name).state_dict()) == digest(with_weights(other).state_dict())


def test_a_resnet_of_depth_32_and_width_2() -> None:
    shapes = weight_shapes(on_meta("resnet 32-2"))
    assert len(shapes) == 32 + 2  # and the two 1x1 convolutions
    assert shapes["conv"] == (32, 3, 3, 3)
    assert shapes["blocks.4.conv2"] == (32, 32, 3, 3)
    assert shapes["blocks.5.shortcut"] == (64, 32, 1, 1)
    assert shapes["blocks.14.conv1"] == (128, 128, 3, 3)
    assert shapes["output"] == (10, 128)


def test_a_wide_resnet_of_depth_10_and_width_2() -> None:
    assert weight_shapes(on_meta("wide_resnet 10-2")) == {
        "conv": (16, 3, 3, 3),
        "blocks.0.conv1": (32, 16, 3, 3),
        "blocks.0.conv2": (32, 32, 3, 3),
        "blocks.0.shortcut": (32, 16, 1, 1),
        "blocks.1.conv1": (64, 32, 3, 3),
        "blocks.1.conv2": (64, 64, 3, 3),
        "blocks.1.shortcut": (64, 32, 1, 1),
        "blocks.2.conv1": (128, 64, 3, 3),
        "blocks.2.conv2": (128, 128, 3, 3),
        "blocks.2.shortcut": (128, 64, 1, 1),
        "output": (10, 128),
    }


def test_a_vgg_of_depth_11() -> None:
    assert weight_shapes(on_meta("vgg 11")) == {
        "conv1": (64, 3, 3, 3),
        "conv2": (128, 64, 3, 3),
        "conv3": (256, 128, 3, 3),
        "conv4": (256, 256, 3, 3),
        "conv5": (512, 256, 3, 3),
        "conv6": (512, 512, 3, 3),
        "conv7": (512, 512, 3, 3),
        "conv8": (512, 512, 3, 3),
        "output": (10, 512),
    }


RESNET_18 = {
    "conv1": (64, 3, 7, 7),
    "layer1.0.conv1": (64, 64, 3, 3),
    "layer1.0.conv2": (64, 64, 3, 3),
    "layer1.1.conv1": (64, 64, 3, 3),
    "layer1.1.conv2": (64, 64, 3, 3),
    "layer2.0.conv1": (128, 64, 3, 3),
    "layer2.0.conv2": (128, 128, 3, 3),
    "layer2.0.downsample.0": (128, 64, 1, 1),
    "layer2.1.conv1": (128, 128, 3, 3),
    "layer2.1.conv2": (128, 128, 3, 3),
    "layer3.0.conv1": (256, 128, 3, 3),
    "layer3.0.conv2": (256, 256, 3, 3),
    "layer3.0.downsample.0": (256, 128, 1, 1),
    "layer3.1.conv1": (256, 256, 3, 3),
    "layer3.1.conv2": (256, 256, 3, 3),
    "layer4.0.conv1": (512, 256, 3, 3),
    "layer4.0.conv2": (512, 512, 3, 3),
    "layer4.0.downsample.0": (512, 256, 1, 1),
    "layer4.1.conv1": (512, 512, 3, 3),
    "layer4.1.conv2": (512, 512, 3, 3),
    "fc": (1000, 512),
}
BOTTLENECKS = {1: (64, 3), 2: (128, 4), 3: (256, 6), 4: (512, 3)}  # filters and blocks by stage


def test_resnet_18_has_torchvisions_names_and_shapes() -> None:
    assert weight_shapes(on_meta("resnet_18", IMAGENET, 1_000)) == RESNET_18


def test_resnet_50_has_torchvisions_names_and_shapes() -> None:
    shapes: dict[str, tuple[int, ...]] = {"conv1": (64, 3, 7, 7)}
    before = 64
    for stage, (filters, blocks) in BOTTLENECKS.items():
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            shapes[f"{name}.conv1"] = (filters, before, 1, 1)
            shapes[f"{name}.conv2"] = (filters, filters, 3, 3)
            shapes[f"{name}.conv3"] = (4 * filters, filters, 1, 1)
            if block == 0:
                shapes[f"{name}.downsample.0"] = (4 * filters, before, 1, 1)
            before = 4 * filters
    network = on_meta("resnet_50", IMAGENET, 1_000)
    assert weight_shapes(network) == shapes | {"fc": (1_000, 2_048)}


@pytest.mark.parametrize(
    ("name", "entries"), [("resnet_18", 122), ("resnet_34", 218), ("resnet_50", 320)]
)
def test_imagenet_resnets_load_a_state_dict_of_torchvisions(name: str, entries: int) -> None:
    """The convolutions' names are tested above; here each has its BatchNorm."""
    network = on_meta(name, IMAGENET, 1_000)
    stored: dict[str, torch.Tensor] = {"fc.bias": torch.empty(1_000, device="meta")}
    for layer, shape in weight_shapes(network).items():
        stored[f"{layer}.weight"] = torch.empty(shape, device="meta")
        if layer != "fc":
            norm = layer.replace("conv", "bn").replace("downsample.0", "downsample.1")
            for entry in ("weight", "bias", "running_mean", "running_var"):
                stored[f"{norm}.{entry}"] = torch.empty(shape[0], device="meta")
            stored[f"{norm}.num_batches_tracked"] = torch.tensor(0, device="meta")
    assert len(stored) == entries
    assert network.load_state_dict(stored, strict=True, assign=True)


USUAL: dict[Any, dict[str, Any]] = {
    ResNet: {"depth": 20, "width": 1},
    WideResNet: {"depth": 10, "width": 1, "dropout": 0},
    VGG: {"depth": 11},
    ImageNetResNet: {"depth": 18, "stem": "cifar"},
}


@pytest.mark.parametrize(
    ("make", "changed", "message"),
    [
        (ResNet, {"depth": 21}, r"depth=21: 6n \+ 2"),
        (ResNet, {"depth": 2}, "depth=2: a whole number from 8 to 2000"),
        (ResNet, {"depth": "20"}, "depth=20: a whole number from 8"),
        (ResNet, {"width": 0}, "width=0: a whole number >= 1"),
        (ResNet, {"width": 1.5}, "width=1.5: a whole number >= 1"),
        (WideResNet, {"depth": 20}, r"depth=20: 6n \+ 4"),
        (WideResNet, {"depth": 4}, "depth=4: a whole number from 10 to 2000"),
        (WideResNet, {"width": True}, "width=true: a whole number >= 1"),
        (WideResNet, {"dropout": 1}, "dropout=1: a number >= 0 and below 1"),
        (WideResNet, {"dropout": "a"}, "dropout=a: a number >= 0 and below 1"),
        (VGG, {"depth": 12}, "depth=12: 11, 13, 16 or 19"),
        (VGG, {"depth": [11]}, "depth=.11.: 11, 13, 16 or 19"),
        (ImageNetResNet, {"depth": 20}, "depth=20: 18, 34 or 50"),
        (ImageNetResNet, {"stem": "small"}, "stem=small: imagenet or cifar"),
    ],
)
def test_other_values_are_refused(make: Any, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        make(CIFAR, 10, **(USUAL[make] | changed))

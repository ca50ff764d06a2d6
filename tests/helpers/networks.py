"""The papers' networks by name, on the meta device or with weights."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from lottery.models import VGG, VGG16, VGG19, ConvN, ImageNetResNet, ResNet, ResNet20, WideResNet

CIFAR = (3, 32, 32)
VGG_19_WIDTHS = [64, 64, 128, 128, 256, 256, 256, 256] + [512] * 8
RESNETS = [(20, 1), (32, 1), (44, 1), (56, 1), (110, 1), (20, 4), (20, 16), (32, 2)]
WIDE = [(16, 4), (16, 10), (40, 2), (40, 4), (28, 10), (10, 2)]  # depth, width
Make = Callable[[tuple[int, ...], int], nn.Module]
NETWORKS: dict[str, Make] = {
    **{f"conv_{n}": partial(ConvN, convolutions=n, dropout=0) for n in (2, 4, 6)},
    "resnet_20": ResNet20,
    **{f"resnet {d}-{w}": partial(ResNet, depth=d, width=w) for d, w in RESNETS},
    **{f"wide_resnet {d}-{w}": partial(WideResNet, depth=d, width=w, dropout=0) for d, w in WIDE},
    "vgg_19": VGG19,
    **{f"vgg {depth}": partial(VGG, depth=depth) for depth in (11, 13, 16, 19)},
    "vgg_16": partial(VGG16, dropout=0.5),
    **{f"resnet_{d}": partial(ImageNetResNet, depth=d, stem="imagenet") for d in (18, 34, 50)},
    "resnet_18 cifar": partial(ImageNetResNet, depth=18, stem="cifar"),
}


def on_meta(name: str, shape: tuple[int, ...] = CIFAR, classes: int = 10) -> nn.Module:
    with torch.device("meta"):
        network: nn.Module = NETWORKS[name](shape, classes)
    return network


def with_weights(name: str, shape: tuple[int, ...] = CIFAR) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network: nn.Module = NETWORKS[name](shape, 10)
    return network


def weight_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights alone, in order, by the layers' names."""
    named = network.named_parameters()
    return {name.removesuffix(".weight"): tuple(w.shape) for name, w in named if w.ndim > 1}

"""The papers' networks by name, on the meta device or with weights."""

import torch
from torch import nn

from lottery.models import VGG16, VGG19, ConvN, ResNet20

CIFAR = (3, 32, 32)
VGG_19_WIDTHS = [64, 64, 128, 128, 256, 256, 256, 256] + [512] * 8
NETWORKS = {
    "conv_2": lambda shape, classes: ConvN(shape, classes, convolutions=2, dropout=0),
    "conv_4": lambda shape, classes: ConvN(shape, classes, convolutions=4, dropout=0),
    "conv_6": lambda shape, classes: ConvN(shape, classes, convolutions=6, dropout=0),
    "resnet_20": ResNet20,
    "vgg_19": VGG19,
    "vgg_16": lambda shape, classes: VGG16(shape, classes, dropout=0.5),
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

"""FLOPs: literal tables, and PyTorch's own counter over every network."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lottery.measure.flops import find_products, make_counter
from lottery.models import (
    VGG16,
    VGG19,
    ConvN,
    ImageNetResNet,
    LeNet5,
    LeNet300100,
    ResNet20,
    VGG16Base,
    VGG16Head,
    VisionTransformer,
    WideResNet,
)
from tests.helpers.toy_runs import ToyDropout, ToyResNet


class Odd(nn.Module):
    """Groups, stride, padding, a transposed convolution, a layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(4, 8, (3, 1), stride=2, padding=1, groups=2)
        self.up = nn.ConvTranspose2d(8, 2, 2, stride=2)
        self.twice = nn.Linear(6, 6)
        self.output = nn.Linear(12, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.up(self.grouped(inputs)).mean((2, 3)).repeat(1, 3)
        logits: Tensor = self.output(torch.cat([hidden, self.twice(self.twice(hidden))], 1))
        return logits


def test_a_table_to_check_by_eye() -> None:
    network = LeNet5((1, 28, 28), 10)
    products = find_products(network, (1, 28, 28))
    assert {part.name: each for part, each in products.items()} == {
        "conv1.weight": 2 * 28 * 28,
        "conv2.weight": 2 * 10 * 10,
        "fc1.weight": 2,
        "fc2.weight": 2,
        "output.weight": 2,
    }


def test_masks_count_by_the_weights_they_leave() -> None:
    network = LeNet300100((1, 28, 28), 10)
    masks = {"fc1.weight": torch.zeros(300, 784, dtype=torch.bool)}
    masks["fc1.weight"][0] = True
    counts = make_counter(network, (1, 28, 28), frozen_flops=1000)(masks)
    later = 2 * (300 * 100 + 100 * 10)
    assert counts["flops"] == 1000 + 2 * 784 * 300 + later
    assert counts["flops_remaining"] == 1000 + 2 * 784 + later
    assert counts["theoretical_speedup"] == counts["flops"] / counts["flops_remaining"]
    assert counts["compression_ratio"] == 266_610 / (266_610 - 299 * 784)
    assert counts["by_layer"] == {
        "fc1.weight": {"flops": 2 * 784 * 300, "flops_remaining": 2 * 784},
        "fc2.weight": {"flops": 2 * 300 * 100, "flops_remaining": 2 * 300 * 100},
        "output.weight": {"flops": 2 * 100 * 10, "flops_remaining": 2 * 100 * 10},
    }


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lenet_300_100": (lambda: LeNet300100((1, 28, 28), 10), (1, 28, 28)),
    "lenet_5": (lambda: LeNet5((1, 28, 28), 10), (1, 28, 28)),
    "lenet_5 at 128": (lambda: LeNet5((3, 128, 128), 2), (3, 128, 128)),
    **{f"conv_{n}": (lambda n=n: ConvN((3, 32, 32), 10, n, 0.0), (3, 32, 32)) for n in (2, 4, 6)},
    "resnet_20": (lambda: ResNet20((3, 32, 32), 10), (3, 32, 32)),
    "wide_resnet": (lambda: WideResNet((3, 32, 32), 10, 16, 2, 0), (3, 32, 32)),
    "resnet_18": (lambda: ImageNetResNet((3, 32, 32), 10, 18, "cifar"), (3, 32, 32)),
    "resnet_50": (lambda: ImageNetResNet((3, 224, 224), 10, 50, "imagenet"), (3, 224, 224)),
    "vit": (lambda: VisionTransformer((3, 32, 32), 10, 4, 12, 3, 192, 0), (3, 32, 32)),
    "vgg_19": (lambda: VGG19((3, 32, 32), 10), (3, 32, 32)),
    "vgg_16": (lambda: VGG16((3, 224, 224), 1000, 0.5), (3, 224, 224)),
    "vgg_16's base": (lambda: VGG16Base((3, 128, 128)), (3, 128, 128)),
    "vgg_16_head": (lambda: VGG16Head((8192,), 2, 128), (8192,)),
    "residual": (ToyResNet, (3, 6, 6)),
    "dropout": (ToyDropout, (3, 6, 6)),
    "odd": (Odd, (4, 9, 7)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_flops_are_those_of_pytorchs_counter(name: str) -> None:
    make, shape = NETWORKS[name]
    with torch.device("meta"):  # no arithmetic
        network = make().eval()
        inputs = torch.zeros(1, *shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(inputs)
    total = counter.get_total_flops()
    if name in ("vgg_16", "vit"):  # pooling and attention are products of no weights
        total -= counter.get_flop_counts()["Global"][torch.ops.aten.bmm]
    assert make_counter(network, shape)({})["flops"] == total


def test_counting_leaves_the_network_as_it_was() -> None:
    network = ToyResNet().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    generator = torch.get_rng_state()
    find_products(network, (3, 6, 6))
    assert network.training
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.backends.mha.get_fastpath_enabled()

"""FLOPs: literal tables, and PyTorch's own counter over every network."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lottery.flops import count_flops, weight_uses
from lottery.models import LeNet5, LeNet300100
from tests.toys import ToyDropout, ToyResNet


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
    assert weight_uses(network, (1, 28, 28)) == {
        "conv1.weight": 28 * 28,
        "conv2.weight": 10 * 10,
        "fc1.weight": 1,
        "fc2.weight": 1,
        "output.weight": 1,
    }


def test_masks_count_by_the_weights_they_leave() -> None:
    sizes, uses = {"conv": 4, "fc": 10, "frozen": 5}, {"conv": 9, "fc": 1, "frozen": 2}
    masks = {"conv": torch.tensor([1, 0, 0, 0]).bool(), "fc": torch.zeros(10).bool()}
    dense = 2 * (4 * 9 + 10 + 5 * 2)
    assert count_flops(sizes, uses, masks) == {
        "flops": dense,
        "flops_remaining": 2 * (1 * 9 + 5 * 2),
    }
    assert count_flops(sizes, uses, {}) == {"flops": dense, "flops_remaining": dense}


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lenet_300_100": (lambda: LeNet300100((1, 28, 28), 10), (1, 28, 28)),
    "lenet_5": (lambda: LeNet5((1, 28, 28), 10), (1, 28, 28)),
    "lenet_5 at 128": (lambda: LeNet5((3, 128, 128), 2), (3, 128, 128)),
    "residual": (ToyResNet, (3, 6, 6)),
    "dropout": (ToyDropout, (3, 6, 6)),
    "odd": (Odd, (4, 9, 7)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_flops_are_those_of_pytorchs_counter(name: str) -> None:
    make, shape = NETWORKS[name]
    network = make().eval()
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *shape))
    counted = count_flops(sizes, weight_uses(network, shape), {})
    assert counted["flops"] == counter.get_total_flops()


def test_counting_leaves_the_network_as_it_was() -> None:
    network = ToyResNet().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    generator = torch.get_rng_state()
    weight_uses(network, (3, 6, 6))
    assert network.training
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not network.conv1._forward_hooks

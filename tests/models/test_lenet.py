"""The LeNets: shapes and numbers of weights, initial weights, and data they do not fit."""

from math import sqrt
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lottery.models import LeNet5, LeNet300100
from tests.conftest import Lottery, snapshot
from tests.helpers.toy_mnist import write_mnist

MNIST = (1, 28, 28)


def _weight_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """In order, of the weights alone."""
    named = network.named_parameters()
    return {name.removesuffix(".weight"): tuple(w.shape) for name, w in named if w.ndim > 1}


def _count_weights(network: nn.Module) -> int:
    return sum(w.numel() for w in network.parameters() if w.ndim > 1)


def test_lenet_300_100_on_mnist() -> None:
    network = LeNet300100(MNIST, 10)
    assert _weight_shapes(network) == {"fc1": (300, 784), "fc2": (100, 300), "output": (10, 100)}
    assert _count_weights(network) == 266_200


def test_lenet_5_on_mnist() -> None:
    network = LeNet5(MNIST, 10)
    assert _weight_shapes(network) == {
        "conv1": (6, 1, 5, 5),
        "conv2": (16, 6, 5, 5),
        "fc1": (120, 400),
        "fc2": (84, 120),
        "output": (10, 84),
    }
    assert _count_weights(network) == 61_470


def test_lenet_5_on_large_colour_images() -> None:
    shapes = _weight_shapes(LeNet5((3, 128, 128), 7))
    assert shapes["conv1"] == (6, 3, 5, 5)
    assert shapes["fc1"] == (120, 14_400)
    assert shapes["output"] == (7, 84)


@pytest.mark.parametrize("make", [LeNet300100, LeNet5])
def test_the_last_layer_is_called_output(make: type[nn.Module]) -> None:
    named = make(MNIST, 10).named_modules()
    layers = [name for name, module in named if isinstance(module, nn.Linear)]
    assert layers[-1] == "output"


@pytest.mark.parametrize("shape", [(1, 12, 12), (1, 13, 18), (3, 32, 32), (2, 15, 64)], ids=str)
def test_lenet_5_takes_images_of_any_size_from_12_pixels_on(shape: tuple[int, ...]) -> None:
    assert LeNet5(shape, 4)(torch.ones(3, *shape)).shape == (3, 4)


@pytest.mark.parametrize("shape", [(1, 11, 28), (1, 28, 11), (784,), (28, 28)], ids=str)
def test_lenet_5_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"input_shape=.*12 or more"):
        LeNet5(shape, 10)


def test_lenet_5_is_relu_and_max_pooling_twice_then_relu_and_no_relu_at_the_end() -> None:
    network = LeNet5(MNIST, 10)
    layers = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    _assert_same(network, layers)


def test_lenet_300_100_is_relu_twice_and_no_relu_at_the_end() -> None:
    layers = nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, 300), nn.ReLU()),
        *(nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)),
    )
    _assert_same(LeNet300100(MNIST, 10), layers)


def _assert_same(network: nn.Module, layers: nn.Module) -> None:
    """The two give the same once they have the same random weights and biases."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for ours, theirs in zip(network.parameters(), layers.parameters(), strict=True):
            ours.copy_(torch.randn(ours.shape, generator=generator) / 5)
            theirs.copy_(ours)
    inputs = torch.rand(4, *MNIST, generator=generator)
    logits = network(inputs)
    assert logits.min() < 0
    torch.testing.assert_close(logits, layers(inputs))


def _draws(make: type[nn.Module], name: str) -> Tensor:
    """A parameter of twenty networks: the smallest layer has 150 weights only."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.stack([make(MNIST, 10).get_parameter(name).detach() for _ in range(20)])


@pytest.mark.parametrize(
    ("make", "layer", "fan_in", "fan_out"),
    [
        (LeNet300100, "fc1", 784, 300),
        (LeNet300100, "fc2", 300, 100),
        (LeNet300100, "output", 100, 10),
        (LeNet5, "conv1", 25, 150),
        (LeNet5, "conv2", 150, 400),
        (LeNet5, "fc1", 400, 120),
        (LeNet5, "fc2", 120, 84),
        (LeNet5, "output", 84, 10),
    ],
)
def test_weights_are_gaussian_glorot_and_biases_zero(
    make: type[nn.Module], layer: str, fan_in: int, fan_out: int
) -> None:
    weights = _draws(make, f"{layer}.weight")
    std = sqrt(2 / (fan_in + fan_out))
    assert weights.std().item() == pytest.approx(std, rel=0.04)
    assert abs(weights.mean().item()) < 0.06 * std
    assert weights.abs().max() > 2 * std  # a uniform one of this std ends at 1.73
    assert _draws(make, f"{layer}.bias").count_nonzero() == 0


@pytest.mark.parametrize(("model", "total"), [("lenet_300_100", "266,200"), ("lenet_5", "61,470")])
def test_the_plan_on_mnist_counts_the_weights(
    lottery: Lottery, folder: Path, model: str, total: str
) -> None:
    write_mnist(folder / "data")
    command = ("dataset=mnist", "dataset.root=data", "dataset.batch_size=10", "dry_run=true")
    done = lottery(*command, f"model={model}")
    assert done.code == 0, done.err
    assert ["total", total] in [line.split() for line in done.out.splitlines()]


def test_a_model_that_does_not_fit_the_dataset_is_one_line(lottery: Lottery, folder: Path) -> None:
    done = lottery("dataset=digits", "model=lenet_5")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: model")
    assert "(1, 8, 8): (channels, 12 or more, 12 or more)" in done.err
    assert len(done.err.splitlines()) == 1
    assert snapshot(folder) == {}

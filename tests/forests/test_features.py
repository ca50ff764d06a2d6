"""Features of layers: where they are taken, by hand; without a run."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lottery.data import Split, Splits
from lottery.forests.features import Truncated, choose_layers, features_by_layer, layer_names
from lottery.forests.measure import ForestOptions, PrunedAndDense, measure_layers
from lottery.measure.flops import make_counter
from lottery.models import VGG16, LeNet5, ResNet20, VGG16Base
from tests.helpers.layer_numbers import LAYER_NETWORKS
from tests.helpers.toy_layers import Toy

IMAGE = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])  # one of 1 x 2 x 2


def features(network: nn.Module, *names: str) -> dict[str, list[float]]:
    truncated = Truncated(network, choose_layers(network, names))
    with torch.no_grad():
        return {name: found[0].tolist() for name, found in truncated(IMAGE).items()}


def test_a_convolution_is_averaged_behind_its_activation() -> None:
    # 2x: 2 4 6 12; 3 - x: 2 1 0 -3, and the activation turns -3 into 0
    assert features(Toy(), "conv1") == {"conv1": [6.0, 0.75]}


def test_a_dense_layer_comes_as_it_is_behind_its_activation() -> None:
    assert features(Toy(), "fc1") == {"fc1": [12.5, 0.0, 7.0]}
    assert features(Toy(), "fc1", "output")["fc1"] == [12.5, 0.0, 7.0]


def test_several_layers_come_from_one_pass_in_the_networks_order() -> None:
    both = features(Toy(), "fc1", "conv2", "conv1")
    assert list(both) == ["conv1", "conv2", "fc1"]
    wanted = sum(math.tanh(value) for value in (4.0, 5.0, 6.0, 12.0)) / 4
    assert both["conv2"] == pytest.approx([wanted])
    assert both["conv1"] == [6.0, 0.75]


def test_the_network_is_not_run_further_than_the_layer() -> None:
    toy = Toy()
    features(toy, "conv1")
    assert toy.calls == []
    features(toy, "output")
    assert toy.calls == ["output"]


@pytest.mark.parametrize(
    "join",
    [
        lambda before, hidden: before + hidden,
        lambda before, hidden: torch.cat([before, hidden], 1)[:, 2:],
        lambda before, hidden: torch.add(other=hidden, input=before),
    ],
)
def test_a_layer_ends_where_its_output_is_used_in_any_place(join: Callable[..., Tensor]) -> None:
    """A shortcut of ResNet-20 is the second term of a sum, for example."""

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = nn.Linear(4, 2), nn.Linear(4, 2)
            self.output = nn.Linear(2, 2)
            self.calls: list[str] = []

        def forward(self, inputs: Tensor) -> Tensor:
            before = self.before(inputs.flatten(1))
            hidden = join(before, self.after(inputs.flatten(1)))
            self.calls.append("output")
            logits: Tensor = self.output(hidden)
            return logits

    network = Joined()
    features(network, "after")
    assert network.calls == []


def test_the_flops_of_a_shortcut_are_not_the_whole_networks() -> None:
    network = ResNet20((3, 8, 8), 10)
    counter = make_counter(network, (3, 8, 8))
    data = Split(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 0, 1]))
    networks = PrunedAndDense(
        pruned=network,
        dense=None,
        masks={},
        splits=Splits(data, data, data, 2),
        frozen_flops=0,
        batch_size=4,
    )
    options = ForestOptions(num_trees=1, seed=0, num_jobs=1)
    (entry,) = measure_layers(networks, ["blocks.3.shortcut"], options)
    layers = counter({})["by_layer"]
    names = [name for name in layers if name == "conv.weight" or name < "blocks.4"]
    wanted = sum(layers[name]["flops"] for name in names if name != "output.weight")
    assert entry["pruned"]["flops_network"] == wanted


@pytest.mark.parametrize("activation", [nn.PReLU(), nn.Mish(), nn.Softplus(), nn.Hardtanh()])
def test_activations_belong_to_their_layer(activation: nn.Module) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), activation, nn.Linear(3, 2))
    with torch.no_grad():
        wanted = activation(network[1](IMAGE.flatten(1)))[0].tolist()
    assert features(network, "1")["1"] == pytest.approx(wanted)


def test_a_norm_and_an_activation_behind_it_belong_to_the_layer() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1), nn.ReLU()).eval()
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[1].bias.fill_(-2.0)
    (mean,) = features(network, "0")["0"]
    assert mean == pytest.approx((0 + 0 + 1 + 4) / 4, abs=1e-4)


def test_a_layer_that_is_called_twice_counts_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4, bias=False)
            self.output = nn.Linear(4, 2)
            nn.init.eye_(self.layer.weight)

        def forward(self, inputs: Tensor) -> Tensor:
            logits: Tensor = self.output(self.layer(self.layer(inputs.flatten(1)) * 2))
            return logits

    assert features(Twice(), "layer", "output")["layer"] == [1.0, 2.0, 3.0, 6.0]


def test_vgg_16_has_two_names_for_a_layer() -> None:
    with torch.device("meta"):
        base, whole = VGG16Base((3, 32, 32)), VGG16((3, 32, 32), 2, 0.5)
    for name in ("features.14", "block3_conv3"):
        chosen = choose_layers(base, [name])
        assert chosen == {"features.14 (block3_conv3)": base.features[14]}
    assert list(choose_layers(whole, ["fc2", "block1_conv1"])) == [
        "features.0 (block1_conv1)",
        "classifier.3 (fc2)",
    ]
    assert len(layer_names(base)) == 13
    assert all("block" in name for name in layer_names(base))
    assert all(
        isinstance(whole.get_submodule(n.split()[0]), nn.Module) for n in layer_names(whole)
    )
    assert choose_layers(ResNet20((3, 32, 32), 10), ["block3_conv3", "relu"]) == {}


def test_features_come_in_batches_and_equal_those_of_all_at_once() -> None:
    torch.manual_seed(0)
    network, inputs = LeNet5((1, 12, 12), 3), torch.rand(7, 1, 12, 12)
    truncated = Truncated(network, choose_layers(network, ["conv2", "fc2"]))
    split = Split(inputs, torch.zeros(7, dtype=torch.long))
    some, whole = (features_by_layer(truncated, split, size) for size in (3, 7))
    assert {name: tuple(f.shape) for name, f in some.items()} == {"conv2": (7, 16), "fc2": (7, 84)}
    for name, found in some.items():
        torch.testing.assert_close(found, whole[name])
    hidden = network.conv1(inputs).relu()
    hidden = network.conv2(nn.functional.max_pool2d(hidden, 2)).relu()
    torch.testing.assert_close(some["conv2"], hidden.mean((2, 3)).detach())


def test_a_layer_that_attention_never_calls_has_no_features() -> None:
    assert layer_names(LAYER_NETWORKS["attention"].make()) == ["output"]

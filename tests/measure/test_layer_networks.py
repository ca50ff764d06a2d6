"""Layers of every kind: what is prunable, what is outside, and FLOPs, dense and under masks."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lottery.masks import Masks, count_outside, prunable_weights
from lottery.measure.evaluate import count_parameters
from lottery.measure.flops import count_flops, find_products, make_counter
from tests.helpers.layer_numbers import LAYER_NETWORKS, TRAINED

IMAGE = (1, 8, 8)


@pytest.mark.parametrize("name", TRAINED)
def test_counts_are_those_worked_out_by_hand(name: str) -> None:
    numbers = LAYER_NETWORKS[name]
    network = numbers.network()
    weights = prunable_weights(network, numbers.also)
    assert {name: weight.numel() for name, weight in weights.items()} == numbers.weights
    assert count_outside(network, weights) == numbers.outside
    assert count_flops(find_products(network, IMAGE), {}) == numbers.flops


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
@pytest.mark.parametrize("name", TRAINED)
def test_flops_are_those_of_pytorchs_counter(name: str) -> None:
    network = LAYER_NETWORKS[name].network()
    network.train()  # evaluation would use kernels it does not know
    plain = torch.backends.mkldnn.flags(enabled=False)  # it does not know oneDNN's LSTM
    with plain, FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *IMAGE))
    total = counter.get_total_flops()
    if "attention" in name:  # the products of queries, keys and values have no weights
        counts = counter.get_flop_counts()["Global"]
        total = counts[torch.ops.aten.addmm] + counts.get(torch.ops.aten.mm, 0)
    assert make_counter(network, IMAGE)({})["flops"] == total


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("channels_last", [False, True])
def test_masks_lower_parameters_and_flops_weight_by_weight(name: str, channels_last: bool) -> None:
    numbers = LAYER_NETWORKS[name]
    network = numbers.network()
    if channels_last and name != "3-d convolution":
        network = network.to(memory_format=torch.channels_last)
    weights = prunable_weights(network, numbers.also)
    masks = _every_other(weights)
    counts = make_counter(network, IMAGE)(masks)
    params = sum(numbers.weights.values()) + sum(numbers.outside.values())
    assert (counts["params"], counts["remaining_all"]) == (params, 0.5)
    assert counts["params_remaining"] == params - sum(numbers.weights.values()) // 2
    assert counts["flops_remaining"] == counts["flops"] // 2
    assert counts["by_layer"] == {
        weight: {"flops": flops, "flops_remaining": flops // 2}
        for weight, flops in numbers.flops.items()
    }


def _every_other(weights: dict[str, nn.Parameter]) -> Masks:
    return {n: torch.arange(w.numel()).reshape(w.shape) % 2 == 0 for n, w in weights.items()}


class TinyAttention(nn.Module):
    """Two queries look at three keys and values, all of width 2, with one head."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(2, 1, batch_first=True)

    def forward(self, inputs: Tensor) -> Tensor:
        mixed, _ = self.attention(inputs[:, :2], inputs, inputs)
        return mixed


def test_attention_by_hand() -> None:
    """Its rows are q1 q2 k1 k2 v1 v2: those of queries multiply twice, the others three times."""
    network = TinyAttention()
    products = find_products(network, (3, 2))
    queries, keys_and_values, result = 2 * 2 * 4, 3 * 2 * 8, 2 * 2 * 4
    dense = {
        "attention.in_proj_weight": queries + keys_and_values,  # 16 + 48
        "attention.out_proj.weight": result,
    }
    assert count_flops(products, {}) == dense
    kept = torch.tensor([[1, 0], [0, 0], [1, 1], [0, 0], [1, 0], [0, 0]], dtype=torch.bool)
    assert count_flops(products, {"attention.in_proj_weight": kept}) == {
        "attention.in_proj_weight": 2 * 2 * 1 + 3 * 2 * 3,  # one weight of queries, three others
        "attention.out_proj.weight": result,
    }
    counts = make_counter(network, (3, 2))({"attention.in_proj_weight": kept})
    assert counts["remaining_all"] == (4 + 4) / (12 + 4)
    assert counts["params"] == 12 + 6 + 4 + 2
    assert counts["params_remaining"] == 24 - 8
    assert (counts["flops"], counts["flops_remaining"]) == (80, 22 + 16)


def test_attention_under_masks_computes_what_the_formulas_say() -> None:
    """One head of width 2: softmax(q k' / sqrt 2) v, and the result's layer."""
    network = TinyAttention()
    with torch.no_grad():
        network.attention.in_proj_weight.copy_(
            torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 0], [2, 0], [0, 3]])
        )
        network.attention.in_proj_weight[2:4] = 0  # no keys are left: all are looked at alike
        network.attention.out_proj.weight.copy_(torch.tensor([[1.0, 0], [0, 0.5]]))
    inputs = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]]])
    # the mean of the inputs is (3, 2); values are (6, 6); the result's layer makes (6, 3) of them
    assert torch.allclose(network(inputs), torch.tensor([[[6.0, 3.0], [6.0, 3.0]]]))


class Halved(nn.Module):
    """A weight that is changed on its way: cast, standardised, made from two."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.standard = nn.Linear(3, 4), nn.Linear(4, 5)
        self.left, self.right = nn.Parameter(torch.ones(5, 2)), nn.Parameter(torch.ones(2, 6))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = inputs.double() @ self.low.weight.double().T
        weight = self.standard.weight
        weight = (weight - weight.mean(1, keepdim=True)) / (weight.std(1, keepdim=True) + 1)
        hidden = hidden.float() @ weight.T
        return hidden @ (self.left @ self.right)


def test_weights_are_followed_through_what_makes_others_of_them() -> None:
    """The product of two weights is of both; it counts once, and what it makes has no mask."""
    assert count_flops(find_products(Halved(), (3,)), {}) == {
        "low.weight": 2 * 12,
        "standard.weight": 2 * 20,
        "right": 2 * 5 * 2 * 6,
    }


class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.output = nn.Conv2d(1, 2, 3), nn.Linear(2, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        with torch.inference_mode():
            hidden = self.conv(inputs).mean((2, 3))
        logits: Tensor = self.output(hidden.clone())
        return logits


def test_layers_in_inference_mode_count() -> None:
    flops = count_flops(find_products(Frozen(), (1, 4, 4)), {})
    assert flops == {"conv.weight": 2 * 4 * 18, "output.weight": 12}


def test_positions_may_come_before_the_batch() -> None:
    """PyTorch's attention and recurrent layers expect (positions, batch, width) at first."""
    network = nn.Sequential(nn.Flatten(0, 1), nn.Unflatten(0, (4, 1)), nn.Linear(3, 2))
    assert count_flops(find_products(network, (4, 3)), {}) == {"2.weight": 2 * 4 * 6}


def test_a_weight_that_multiplies_nothing_has_no_flops() -> None:
    network = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 2))
    masks = {"0.weight": torch.zeros(5, 3, dtype=torch.bool)}
    counts = make_counter(network, (2,), input_dtype=torch.long)(masks)
    assert counts["by_layer"] == {
        "0.weight": {"flops": 0, "flops_remaining": 0},
        "2.weight": {"flops": 24, "flops_remaining": 24},
    }
    assert count_parameters(network, masks)["remaining_all"] == 12 / (15 + 12)

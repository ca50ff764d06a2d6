"""Paths through masks, fan-in and fan-out: small masks whose values one sees."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from lottery.comparison.connections import dead_units, fan_in, fan_out, fits_a_chain, on_paths
from lottery.masks import Masks


def masks_of(**layers: Sequence[Sequence[int]]) -> Masks:
    return {name: torch.tensor(rows, dtype=torch.bool) for name, rows in layers.items()}


def ints(masks: Masks) -> dict[str, object]:
    return {name: mask.int().tolist() for name, mask in masks.items()}


def test_weights_of_a_unit_without_a_way_in_or_out_are_on_no_path() -> None:
    """Input 2 leads to neuron 2 alone, neuron 2 nowhere; nothing leads to neuron 1."""
    masks = masks_of(
        first=[[1, 1, 0], [0, 0, 0], [0, 0, 1]],
        second=[[1, 1, 0], [0, 1, 0]],
        output=[[1, 1], [0, 1]],
    )
    assert ints(on_paths(masks)) == {
        "first": [[1, 1, 0], [0, 0, 0], [0, 0, 0]],
        "second": [[1, 0, 0], [0, 0, 0]],
        "output": [[1, 0], [0, 0]],
    }
    assert dead_units(masks) == {"first": 2, "second": 1, "output": 1}


def test_nothing_is_on_a_path_if_a_layer_is_empty() -> None:
    masks = masks_of(first=[[1, 1], [1, 1]], second=[[0, 0]])
    assert ints(on_paths(masks)) == {"first": [[0, 0], [0, 0]], "second": [[0, 0]]}
    assert dead_units(masks) == {"first": 2, "second": 1}


def test_after_a_convolution_each_channel_is_several_inputs() -> None:
    """Two channels with two places each; only the second place of channel 1 is read."""
    kernels = torch.zeros(2, 1, 1, 2, dtype=torch.bool)
    kernels[0, 0, 0, 0] = kernels[1, 0, 0, 1] = True
    masks = {"conv": kernels, "output": torch.tensor([[False, False, False, True]])}
    found = on_paths(masks)
    assert found["conv"].flatten(1).int().tolist() == [[0, 0], [0, 1]]
    assert found["output"].int().tolist() == [[0, 0, 0, 1]]
    assert dead_units(masks) == {"conv": 1, "output": 0}


@pytest.mark.parametrize("seed", range(5))
def test_paths_are_where_a_gradient_flows(seed: int) -> None:
    """With weights of 0 and 1 and inputs of 1, outputs count paths, by another way."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (5, 7, 6, 4)
    masks = {
        f"fc{n}": torch.rand(outputs, inputs, generator=generator) < 0.25
        for n, (inputs, outputs) in enumerate(pairwise(sizes))
    }
    weights = [mask.double().requires_grad_() for mask in masks.values()]
    hidden = torch.ones(sizes[0], dtype=torch.float64)
    for weight in weights:
        hidden = weight @ hidden
    gradients = torch.autograd.grad(hidden.sum(), weights)
    for (name, mask), gradient in zip(masks.items(), gradients, strict=True):
        assert torch.equal(on_paths(masks)[name], mask & (gradient > 0)), name


@pytest.mark.parametrize(
    ("shapes", "fits"),
    [
        ([(300, 784), (100, 300), (10, 100)], True),
        ([(6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (10, 120)], True),
        ([(4, 2, 3), (3, 8)], True),  # a convolution over sequences
        ([(6, 4), (3, 12)], False),  # the 12 inputs are not those 6 neurons
        ([(6, 1, 5, 5), (16, 1, 5, 5)], False),  # depthwise
        ([(10,), (5, 10)], False),
    ],
)
def test_a_chain_by_its_shapes(shapes: Sequence[tuple[int, ...]], fits: bool) -> None:
    assert fits_a_chain([torch.ones(shape) for shape in shapes]) is fits


def test_fans_are_counts_of_weights() -> None:
    kernels: Tensor = torch.zeros(2, 3, 1, 2, dtype=torch.bool)
    kernels[0, 0] = kernels[0, 2, 0, 1] = True
    assert fan_in(kernels).tolist() == [3, 0]
    assert fan_out(kernels).tolist() == [2, 0, 1]

"""Masks: what can be pruned, what a user selects, and pruned weights at exactly zero."""

import pytest
import torch
from torch import Tensor, nn

from lottery.masks import (
    apply_masks,
    check_nested,
    count_ones,
    density,
    masked,
    ones,
    prunable_weights,
    select,
)

NAMES = ["fc1.weight", "fc2.weight", "output.weight"]


def _bits(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.bool)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(4, 3),
        nn.Conv1d(4, 3, 3),
        nn.Conv2d(4, 3, 3),
        nn.Conv3d(4, 3, 3),
        nn.ConvTranspose1d(4, 3, 3),
        nn.ConvTranspose2d(4, 3, 3),
        nn.ConvTranspose3d(4, 3, 3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_weights_of_linear_and_conv_layers_are_prunable_their_biases_are_not(
    layer: nn.Module,
) -> None:
    weights = prunable_weights(nn.Sequential(layer))
    assert list(weights) == ["0.weight"]
    assert weights["0.weight"] is layer.get_parameter("weight")


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm1d(4),
        nn.BatchNorm2d(4),
        nn.LayerNorm(4),
        nn.GroupNorm(2, 4),
        nn.InstanceNorm2d(4, affine=True),
        nn.Embedding(5, 4),
        nn.PReLU(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_weights_of_other_layers_are_not_prunable(layer: nn.Module) -> None:
    assert prunable_weights(nn.Sequential(layer)) == {}


def test_frozen_layers_are_not_prunable() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    assert list(prunable_weights(model)) == ["1.weight"]


def test_a_layer_whose_bias_alone_is_frozen_is_prunable() -> None:
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    assert list(prunable_weights(nn.Sequential(layer))) == ["0.weight"]


def test_nested_modules_keep_their_parameter_names_in_the_networks_order() -> None:
    block = nn.ModuleDict({"conv": nn.Conv2d(1, 2, 3), "norm": nn.BatchNorm2d(2)})
    model = nn.ModuleDict({"z": block, "a": nn.Linear(2, 2)})
    assert list(prunable_weights(model)) == ["z.conv.weight", "a.weight"]


def test_a_bare_layer_has_the_name_its_parameter_has() -> None:
    layer = nn.Linear(2, 2)
    assert prunable_weights(layer).keys() == {"weight"}
    assert prunable_weights(layer).keys() <= dict(layer.named_parameters()).keys()


def test_every_prunable_name_is_a_parameter_name_even_of_tied_weights() -> None:
    """Other code looks weights up in `named_parameters()`, which names a tied weight once."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert prunable_weights(model).keys() <= dict(model.named_parameters()).keys()


@pytest.mark.parametrize(
    ("only", "exclude", "chosen"),
    [
        (["*"], [], NAMES),
        (["fc*"], [], ["fc1.weight", "fc2.weight"]),
        (["fc?.weight"], [], ["fc1.weight", "fc2.weight"]),
        (["*"], ["output*"], ["fc1.weight", "fc2.weight"]),
        (["output*", "fc1*"], [], ["fc1.weight", "output.weight"]),  # the network's order
        (["fc*"], ["*2*", "output*"], ["fc1.weight"]),
        (["fc1.weight"], [], ["fc1.weight"]),
    ],
)
def test_selection_by_patterns(only: list[str], exclude: list[str], chosen: list[str]) -> None:
    assert select(NAMES, only, exclude) == chosen


@pytest.mark.parametrize(
    ("only", "exclude", "words"),
    [
        (["conv*"], [], "only: 'conv\\*' matches none of fc1.weight, fc2.weight, output.weight"),
        (["*"], ["cls*"], "exclude: 'cls\\*' matches none"),
        (["fc1"], [], "only: 'fc1' matches none"),  # the whole name, not a part of it
        (["FC1*"], [], "only: 'FC1\\*' matches none"),
        (["*", "conv*"], [], "only: 'conv\\*' matches none"),
        (["fc1*"], ["fc*"], "leaves nothing to prune"),
        ([], [], "leaves nothing to prune"),
    ],
)
def test_selection_refuses_patterns_without_effect(
    only: list[str], exclude: list[str], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        select(NAMES, only, exclude)


def test_ones_keep_everything_and_need_no_gradient() -> None:
    masks = ones({"w": nn.Parameter(torch.zeros(2, 3))})
    assert masks["w"].dtype == torch.bool
    assert masks["w"].shape == (2, 3)
    assert masks["w"].all()
    assert not masks["w"].requires_grad


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_apply_masks_zeroes_pruned_places_in_place_and_is_idempotent(dtype: torch.dtype) -> None:
    first, second = nn.Parameter(torch.tensor([1.5, -2.0, 3.0])), torch.tensor([[4.0], [-5.0]])
    masks = [_bits(1, 0, 1).to(dtype), _bits(0, 1).reshape(2, 1).to(dtype)]
    for _ in range(2):
        apply_masks([first, second], masks)
        assert first.tolist() == [1.5, 0.0, 3.0]
        assert second.tolist() == [[0.0], [-5.0]]
    assert first.requires_grad
    assert first.grad_fn is None


def test_masked_gives_masked_copies_and_leaves_the_originals() -> None:
    tensors = {"w": torch.tensor([1.0, -2.0, float("nan")]), "bias": torch.tensor([7.0])}
    result = masked(tensors, {"w": _bits(1, 0, 0)})
    assert result["w"].tolist() == [1.0, 0.0, 0.0]
    assert not torch.signbit(result["w"]).any()  # 0.0, not -0.0
    assert result["bias"].tolist() == [7.0]
    assert tensors["w"][:2].tolist() == [1.0, -2.0]


def test_counts_and_density() -> None:
    masks = {"a": _bits(1, 0, 1, 1), "b": _bits(0, 0), "c": _bits(1, 1)}
    assert count_ones(masks) == {"a": 3, "b": 0, "c": 2}
    assert density(masks) == 5 / 8


def test_nested_masks_pass() -> None:
    before = {"a": _bits(1, 0, 1), "b": _bits(1, 1)}
    check_nested(before, before)
    check_nested({"a": _bits(1, 0, 0), "b": _bits(0, 0)}, before)


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"a": _bits(1, 1, 0), "b": _bits(1, 1)}, "a: 1 pruned weights came back"),
        ({"a": _bits(1, 0, 0)}, "masks of"),
        ({"a": _bits(1, 0, 0), "b": _bits(1, 1), "c": _bits(1)}, "masks of"),
        ({"a": _bits(1, 0), "b": _bits(1, 1)}, "a: a mask of shape"),
        ({"a": _bits(1, 0, 0), "b": torch.ones(2)}, "b: a mask of shape .*float32"),
    ],
)
def test_masks_that_are_not_nested_are_refused(after: dict[str, Tensor], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_nested(after, {"a": _bits(1, 0, 1), "b": _bits(1, 1)})

"""Scopes that deal out a total: by hand, exact and nested for anything."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lottery.masks import check_nested, count_ones, ones, prunable_weights
from lottery.models import LeNet300100
from lottery.pruning import Balanced, Erk, Layer, Random, Scope, ScoredPruner
from lottery.pruning.scopes import apportion
from tests.helpers.toy_weights import toy_trained

SCOPES: list[Scope] = [Erk(), Balanced()]
LENET = {n: tuple(w.shape) for n, w in prunable_weights(LeNet300100((1, 28, 28), 10)).items()}


def _layers(shapes: dict[str, tuple[int, ...]], rate: float) -> dict[str, Layer]:
    sizes = {name: torch.Size(shape).numel() for name, shape in shapes.items()}
    return {name: Layer(sizes[name], rate, shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("total", "shares", "caps", "dealt"),
    [
        (9, [1, 1, 1], [9, 9, 9], [3, 3, 3]),
        (10, [1, 1, 1], [9, 9, 9], [4, 3, 3]),  # ties by order
        (11, [1, 1, 1], [9, 9, 9], [4, 4, 3]),
        (10, [1, 1, 1], [1, 9, 9], [1, 5, 4]),  # what is above a cap goes to the others
        (10, [1, 2, 2], [9, 9, 9], [2, 4, 4]),
        (12, [1, 2, 3], [9, 9, 3], [3, 6, 3]),
        (21, [1, 2, 3], [9, 9, 3], [9, 9, 3]),
        (0, [1, 2, 3], [9, 9, 3], [0, 0, 0]),
        (3, [1, 1, 1], [0, 9, 0], [0, 3, 0]),
    ],
)
def test_a_total_dealt_out(
    total: int, shares: list[int], caps: list[int], dealt: list[int]
) -> None:
    assert apportion(total, shares, caps) == dealt


def test_erk_of_lenet_300_100_at_five_percent() -> None:
    """13,310 weights; 1,084 : 400 : 110 by the sums of the shapes, nowhere above what there is.

    9,051.5, 3,340.0 and 918.5 of 235,200, 30,000 and 1,000 weights: 3.8, 11.1 and 91.8 %.
    """
    assert Erk().keep(_layers(LENET, 0.95), 1) == {
        "fc1.weight": 9052,
        "fc2.weight": 3340,
        "output.weight": 918,
    }


def test_erk_keeps_a_layer_whole_and_gives_the_rest_to_the_others() -> None:
    """53,240 weights; 1,000 for output, which is due 3,674, and 52,240 as 1,084 : 400."""
    assert Erk().keep(_layers(LENET, 0.8), 1) == {
        "fc1.weight": 38159,  # 38,159.1
        "fc2.weight": 14081,  # 14,080.9
        "output.weight": 1000,
    }


def test_erk_of_a_convolution_is_by_the_sum_of_its_four_sizes() -> None:
    shapes = {"conv": (64, 32, 3, 3), "fc": (80, 22)}  # 102 : 102
    assert Erk().keep(_layers(shapes, 0.9), 1) == {"conv": 1010, "fc": 1009}  # of 2,019


def test_balanced_is_the_same_number_in_every_layer_that_has_it() -> None:
    left = {"fc1.weight": 6155, "fc2.weight": 6155, "output.weight": 1000}
    assert Balanced().keep(_layers(LENET, 0.95), 1) == left
    assert Balanced().keep(_layers(LENET, 0.999), 1) == dict.fromkeys(LENET, 89) | {
        "output.weight": 88
    }


SHAPES = st.dictionaries(
    st.sampled_from("abcde"),
    st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple),
    min_size=1,
)
RATES = st.floats(0, 1)


@settings(deadline=None)
@given(SHAPES, RATES, st.integers(0, 8), st.sampled_from(SCOPES))
def test_the_total_is_exact_and_at_once_equals_round_by_round(
    shapes: dict[str, tuple[int, ...]], rate: float, rounds: int, scope: Scope
) -> None:
    layers, dense = _layers(shapes, rate), _layers(shapes, rate)
    total = sum(layer.alive for layer in layers.values())
    for _ in range(rounds):
        total -= round(rate * total)
        left = scope.keep(layers, 1)
        assert isinstance(left, dict)
        assert sum(left.values()) == total
        assert all(0 <= left[name] <= layer.alive for name, layer in layers.items())
        layers = {name: Layer(left[name], rate, layers[name].shape) for name in layers}
    assert scope.keep(dense, rounds) == {name: layer.alive for name, layer in layers.items()}


@settings(deadline=None)
@given(SHAPES, RATES, st.data())
def test_no_layer_is_more_than_one_weight_off_what_it_is_due(
    shapes: dict[str, tuple[int, ...]], rate: float, data: st.DataObject
) -> None:
    sizes = [torch.Size(shape).numel() for shape in shapes.values()]
    shares = [sum(shape) for shape in shapes.values()]
    total = data.draw(st.integers(0, sum(sizes)))
    dealt = apportion(total, shares, sizes)
    below = [i for i, size in enumerate(sizes) if dealt[i] < size]
    # a layer that is not whole has as much for its share as any other could get with one less
    for i in below:
        for j in range(len(sizes)):
            assert Fraction(dealt[i] + 1, shares[i]) >= Fraction(dealt[j], shares[j])


@pytest.mark.parametrize("scope", SCOPES)
def test_rounds_of_random_pruning_are_nested(scope: Scope) -> None:
    weights = {name: torch.zeros(shape) for name, shape in LENET.items()}
    pruner = ScoredPruner(Random(), scope, dict.fromkeys(LENET, 0.5))
    masks = ones(weights)
    for seed in range(8):
        before, trained = masks, toy_trained(weights, masks, seed=seed)
        masks = pruner(trained)
        check_nested(masks, before)
        assert count_ones(masks) == pruner.expected(trained)
    assert sum(count_ones(masks).values()) == 1039  # 266,200 halved eight times, halves to even


@pytest.mark.parametrize("scope", SCOPES)
def test_one_rate_for_all_layers(scope: Scope) -> None:
    with pytest.raises(ValueError, match=r"one rate for all layers, got \[0.1, 0.2\]"):
        scope.keep({"a": Layer(10, 0.2, (2, 5)), "b": Layer(10, 0.1, (2, 5))}, 1)

"""Pruners: exact counts and checked scores; copied masks as they are or really shuffled."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lottery.masks import Masks, check_nested, count_ones, ones
from lottery.pruning import (
    IN_ALL,
    Balanced,
    CopiedPruner,
    Criterion,
    Global,
    Layerwise,
    Magnitude,
    Pruner,
    Random,
    Scope,
    ScoredPruner,
    Trained,
)
from lottery.tensors import Tensors, digest

SHAPES = {"fc1.weight": (10, 8), "fc2.weight": (5, 10), "output.weight": (4, 5)}
RATES = {"fc1.weight": 0.2, "fc2.weight": 0.2, "output.weight": 0.1}
SAME_RATES = dict.fromkeys(SHAPES, 0.2)


def _weights() -> Tensors:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def _trained(masks: Masks, seed: int = 0, round_number: int = 1) -> Trained:
    weights = _weights()
    generator = torch.Generator().manual_seed(seed)
    return Trained(round_number, weights, weights, masks, generator)


def _rounds(pruner: Pruner, number: int) -> list[Masks]:
    rounds = [ones(_weights())]
    for seed in range(number):
        rounds.append(pruner(_trained(rounds[-1], seed)))
    return rounds


@pytest.mark.parametrize("criterion", [Magnitude(), Random()])
def test_layerwise_rounds_leave_exactly_these_counts(criterion: Criterion) -> None:
    rounds = _rounds(ScoredPruner(criterion, Layerwise(), RATES), 3)
    assert [list(count_ones(masks).values()) for masks in rounds] == [
        [80, 50, 20],
        [64, 40, 18],  # less 16, 10, 2
        [51, 32, 16],  # less 13 (12.8), 8, 2 (1.8)
        [41, 26, 14],  # less 10 (10.2), 6 (6.4), 2 (1.6)
    ]
    for masks, before in zip(rounds[1:], rounds, strict=False):
        check_nested(masks, before)


@pytest.mark.parametrize("criterion", [Magnitude(), Random()])
def test_global_rounds_leave_exactly_these_counts(criterion: Criterion) -> None:
    rounds = _rounds(ScoredPruner(criterion, Global(), SAME_RATES), 3)
    assert [sum(count_ones(masks).values()) for masks in rounds] == [150, 120, 96, 77]
    for masks, before in zip(rounds[1:], rounds, strict=False):
        check_nested(masks, before)


@pytest.mark.parametrize(("scope", "rates"), [(Layerwise(), RATES), (Global(), SAME_RATES)])
@pytest.mark.parametrize("steps", [1, 2, 5, 12])
def test_one_shot_equals_as_many_rounds_over_the_same_weights(
    scope: Scope, rates: dict[str, float], steps: int
) -> None:
    one_by_one = _rounds(ScoredPruner(Magnitude(), scope, rates), steps)[-1]
    at_once = _rounds(ScoredPruner(Magnitude(), scope, rates, steps), 1)[-1]
    assert digest(at_once) == digest(one_by_one)


@pytest.mark.parametrize(("rate", "left"), [(0.0, 150), (1.0, 0)])
@pytest.mark.parametrize("scope", [Layerwise(), Global()])
def test_edges_of_the_rate(scope: Scope, rate: float, left: int) -> None:
    pruner = ScoredPruner(Magnitude(), scope, dict.fromkeys(SHAPES, rate))
    assert sum(count_ones(pruner(_trained(ones(_weights())))).values()) == left


def test_expected_is_what_a_round_leaves() -> None:
    trained = _trained(ones(_weights()))
    layerwise = ScoredPruner(Magnitude(), Layerwise(), RATES)
    assert layerwise.expected(trained) == count_ones(layerwise(trained))
    over_all = ScoredPruner(Magnitude(), Global(), SAME_RATES)
    assert over_all.expected(trained) == {IN_ALL: sum(count_ones(over_all(trained)).values())}


@dataclass(frozen=True)
class Broken:
    """A criterion of a user, with a mistake in it."""

    change: Callable[[Tensors], object]

    def __call__(self, trained: Trained) -> Tensors:
        scores = Magnitude()(trained)
        self.change(scores)
        return scores


def _set(place: tuple[int, int], value: float) -> Callable[[Tensors], object]:
    return lambda scores: scores["fc2.weight"].__setitem__(place, value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_scores_that_are_not_finite_are_refused_where_alive(value: float) -> None:
    pruner = ScoredPruner(Broken(_set((1, 2), value)), Layerwise(), RATES)
    masks = ones(_weights())
    with pytest.raises(ValueError, match=r"fc2\.weight are not finite"):
        pruner(_trained(masks))
    masks["fc2.weight"][1, 2] = False
    assert not pruner(_trained(masks))["fc2.weight"][1, 2]


@pytest.mark.parametrize(
    "change",
    [
        lambda scores: scores.pop("fc2.weight"),
        lambda scores: scores.update({"fc2.weight": torch.ones(10, 5)}),
        lambda scores: scores.update({"fc2.weight": torch.ones(5, 1)}),  # would broadcast
    ],
    ids=["missing", "transposed", "one per row"],
)
def test_scores_of_another_shape_are_refused(change: Callable[[Tensors], object]) -> None:
    pruner = ScoredPruner(Broken(change), Layerwise(), RATES)
    with pytest.raises(ValueError, match=r"no score for each weight of fc2\.weight"):
        pruner(_trained(ones(_weights())))


# Several scorings in one pruning


@dataclass(frozen=True)
class Seen:
    """Magnitude that notes what it is shown."""

    masks: list[Masks]

    def __call__(self, trained: Trained) -> Tensors:
        self.masks.append(trained.masks)
        for name, mask in trained.masks.items():
            assert not trained.weights[name][~mask].any()
        return Magnitude()(trained)


def test_every_scoring_sees_what_the_last_one_left() -> None:
    criterion = Seen([])
    pruner = ScoredPruner(criterion, Global(), dict.fromkeys(SHAPES, 0.99), iterations=4)
    masks = pruner(_trained(ones(_weights())))
    left = [sum(count_ones(seen).values()) for seen in [*criterion.masks, masks]]
    assert left == [150, 51, 17, 6, 2]  # 150 (2 / 150)^(i / 4)
    for after, before in zip([*criterion.masks[1:], masks], criterion.masks, strict=True):
        check_nested(after, before)


def test_each_layer_goes_its_own_way_under_a_layerwise_scope() -> None:
    criterion, rates = Seen([]), {"fc1.weight": 0.9, "fc2.weight": 0.0, "output.weight": 1.0}
    masks = ScoredPruner(criterion, Layerwise(), rates, iterations=3)(_trained(ones(_weights())))
    assert [list(count_ones(seen).values()) for seen in [*criterion.masks, masks]] == [
        [80, 50, 20],
        [37, 50, 7],  # 80 (8 / 80)^(1 / 3), and down to one where none is to be left
        [17, 50, 3],
        [8, 50, 0],
    ]


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 40), min_size=1),
    st.floats(0, 1),
    st.integers(1, 12),
    st.integers(1, 3),
    st.sampled_from([Layerwise(), Global(), Balanced()]),
)
def test_scorings_on_the_way_change_no_count_and_are_nested(
    sizes: dict[str, int], rate: float, iterations: int, steps: int, scope: Scope
) -> None:
    weights = {name: torch.ones(size) for name, size in sizes.items()}  # ties everywhere
    trained = Trained(1, weights, weights, ones(weights), torch.Generator())
    criterion = Seen([])
    pruner = ScoredPruner(criterion, scope, dict.fromkeys(sizes, rate), steps, iterations)
    masks = pruner(trained)
    counts = count_ones(masks)
    in_all = {IN_ALL: sum(counts.values())}
    assert pruner.expected(trained) == (in_all if scope == Global() else counts)
    assert len(criterion.masks) == iterations
    for after, before in zip([*criterion.masks[1:], masks], criterion.masks, strict=True):
        check_nested(after, before)


def test_no_scoring_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="iterations=0: a whole number >= 1"):
        ScoredPruner(Magnitude(), Global(), {}, iterations=0)


# Copied masks


def _trunk(round_number: int) -> Masks:
    """fc1 keeps 80 - r, fc2 10, output none: densities that a global shuffle evens out."""
    kept = {"fc1.weight": 80 - round_number, "fc2.weight": 10, "output.weight": 0}
    return {
        name: (torch.arange(torch.Size(shape).numel()) < kept[name]).reshape(shape)
        for name, shape in SHAPES.items()
    }


def _copy(shuffle: str, seed: int = 0, round_number: int = 1) -> Masks:
    return CopiedPruner(_trunk, shuffle)(_trained(ones(_weights()), seed, round_number))


@pytest.mark.parametrize("round_number", [1, 3])
def test_unshuffled_masks_are_those_of_the_same_round(round_number: int) -> None:
    assert digest(_copy("none", round_number=round_number)) == digest(_trunk(round_number))


@pytest.mark.parametrize("round_number", [1, 3])
def test_layerwise_shuffle_keeps_counts_per_layer_and_moves_places(round_number: int) -> None:
    masks, trunk = _copy("layerwise", round_number=round_number), _trunk(round_number)
    assert count_ones(masks) == count_ones(trunk)
    assert not torch.equal(masks["fc1.weight"], trunk["fc1.weight"])
    assert not torch.equal(masks["fc2.weight"], trunk["fc2.weight"])


@pytest.mark.parametrize("round_number", [1, 3])
def test_global_shuffle_keeps_the_count_in_all_and_evens_densities(round_number: int) -> None:
    masks, trunk = _copy("global", round_number=round_number), _trunk(round_number)
    assert sum(count_ones(masks).values()) == sum(count_ones(trunk).values())
    assert {name: mask.shape for name, mask in masks.items()} == {
        name: mask.shape for name, mask in trunk.items()
    }
    for mask in masks.values():  # about 90 of 150 places in every layer
        assert 0.3 < float(mask.float().mean()) < 0.9


@pytest.mark.parametrize("shuffle", ["layerwise", "global"])
def test_shuffles_are_drawn_from_the_generator_alone(shuffle: str) -> None:
    first = digest(_copy(shuffle, seed=1))
    torch.rand(3)  # somebody else draws from the global generator
    assert digest(_copy(shuffle, seed=1)) == first
    assert digest(_copy(shuffle, seed=2)) != first


def test_layers_of_one_shape_are_shuffled_differently() -> None:
    half = (torch.arange(100) < 50).reshape(10, 10)
    pruner = CopiedPruner(lambda _: {"a": half, "b": half.clone()}, "layerwise")
    masks = pruner(_trained({}))
    assert not torch.equal(masks["a"], masks["b"])


@pytest.mark.parametrize("shuffle", ["layerwise", "global"])
def test_every_place_is_kept_equally_often(shuffle: str) -> None:
    half = torch.tensor([[True, True], [False, False]])
    kept = torch.zeros(2, 2)
    for seed in range(400):
        kept += CopiedPruner(lambda _: {"w": half}, shuffle)(_trained({}, seed))["w"]
    assert ((kept - 200).abs() < 50).all()  # 5 standard deviations


@pytest.mark.parametrize("shuffle", ["none", "layerwise", "global"])
def test_the_loaded_masks_are_left_as_they_were(shuffle: str) -> None:
    loaded = _trunk(1)
    before = digest(loaded)
    CopiedPruner(lambda _: loaded, shuffle)(_trained({}))
    assert digest(loaded) == before


@pytest.mark.parametrize("shuffle", ["none", "layerwise", "global"])
def test_copied_masks_are_expected_to_have_the_trunks_counts(shuffle: str) -> None:
    trained = _trained(ones(_weights()))
    expected = CopiedPruner(_trunk, shuffle).expected(trained)
    counts = {"fc1.weight": 79, "fc2.weight": 10, "output.weight": 0}
    assert expected == ({IN_ALL: 89} if shuffle == "global" else counts)


def test_copied_masks_are_bool() -> None:
    masks: list[Tensor] = [m for s in ("layerwise", "global") for m in _copy(s).values()]
    assert {mask.dtype for mask in masks} == {torch.bool}


def test_only_own_masks_are_nested() -> None:
    assert ScoredPruner(Magnitude(), Layerwise(), RATES).nested
    assert not CopiedPruner(_trunk, "none").nested


def test_an_unknown_shuffle_is_refused() -> None:
    with pytest.raises(ValueError, match="shuffle='rows': none, layerwise or global"):
        CopiedPruner(_trunk, "rows")

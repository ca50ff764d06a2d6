"""Scopes: which weights stay, by tables one can check by eye and against a plain sort."""

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lottery.masks import Masks, check_nested, count_ones
from lottery.pruning import IN_ALL, Global, Keep, Layer, Layerwise, Scope, top_k
from lottery.pruning.top_k import keep_highest
from lottery.tensors import Tensors

NAN, INF = float("nan"), float("inf")
DTYPES = [torch.float32, torch.float64, torch.bfloat16]


def _bits(text: str) -> Tensor:
    return torch.tensor([character == "1" for character in text])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("scores", "mask", "keep", "kept"),
    [
        ([3, 1, 2], "111", 2, "101"),
        ([3, 1, 2], "111", 0, "000"),
        ([3, 1, 2], "111", 3, "111"),
        ([4], "1", 1, "1"),
        ([4], "1", 0, "0"),
        ([1, 1, 1, 1], "1111", 2, "1100"),  # all equal: the lowest indices stay
        ([0, 0, 0, 0], "1111", 3, "1110"),
        ([1, 1, 1, 1], "1011", 2, "1010"),
        ([5, 1, 1, 1, 7], "11111", 3, "11001"),  # a tie at the threshold
        ([1, 5, 1, 7, 1], "11111", 4, "11110"),
        ([0.0, -0.0, -0.0, 0.0], "1111", 1, "1000"),  # -0 equals 0
        ([-3, -1, -2], "111", 1, "010"),
        ([-3, -1, -2], "111", 2, "011"),
        ([9, 1, 2, 9], "0110", 1, "0010"),  # pruned places with the highest scores
        ([9, -5, -6, 9], "0110", 2, "0110"),
        ([NAN, 1, 2, INF], "0110", 1, "0010"),  # nobody looks at scores of pruned places
        ([-INF, 1, 2, NAN], "0110", 2, "0110"),
        ([1, 2], "00", 0, "00"),
    ],
)
def test_highest_scores_stay(
    scores: list[float], mask: str, keep: int, kept: str, dtype: torch.dtype
) -> None:
    result = keep_highest(torch.tensor(scores, dtype=dtype), _bits(mask), keep)
    assert result.dtype == torch.bool
    assert result.tolist() == _bits(kept).tolist()


LAYERS_OF_TABLE = {"b": [4, 1, 3], "a": [2, 2, 2, 9]}


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ({"b": 3, "a": 4}, ("111", "1111")),
        ({"b": 2, "a": 2}, ("101", "1001")),
        ({"b": 1, "a": 3}, ("100", "1101")),
        ({"b": 0, "a": 1}, ("000", "0001")),
        ({"b": 0, "a": 0}, ("000", "0000")),
    ],
)
def test_layerwise_compares_within_a_layer(keep: dict[str, int], kept: tuple[str, str]) -> None:
    assert _choose(Layerwise(), LAYERS_OF_TABLE, keep) == kept


@pytest.mark.parametrize(
    ("scores", "keep", "kept"),
    [
        (LAYERS_OF_TABLE, 7, ("111", "1111")),
        (LAYERS_OF_TABLE, 3, ("101", "0001")),
        (LAYERS_OF_TABLE, 4, ("101", "1001")),
        (LAYERS_OF_TABLE, 1, ("000", "0001")),
        (LAYERS_OF_TABLE, 0, ("000", "0000")),
        ({"b": [1, 1], "a": [1, 1]}, 1, ("10", "00")),  # ties: the network's order, not a, b
        ({"b": [1, 1], "a": [1, 1]}, 3, ("11", "10")),
        ({"b": [-1, -1], "a": [-2, -3]}, 2, ("11", "00")),  # a layer that empties
    ],
)
def test_global_compares_all_layers(
    scores: dict[str, list[float]], keep: int, kept: tuple[str, str]
) -> None:
    assert _choose(Global(), scores, {IN_ALL: keep}) == kept


def _choose(scope: Scope, table: dict[str, list[float]], keep: Keep) -> object:
    scores = {name: torch.tensor(values, dtype=torch.float32) for name, values in table.items()}
    masks = {name: torch.ones(len(values), dtype=torch.bool) for name, values in table.items()}
    kept = scope(scores, masks, keep)
    assert list(kept) == list(table)
    return tuple("".join(str(int(one)) for one in mask) for mask in kept.values())


@pytest.mark.parametrize("of_a", [1.0, 2.0])
def test_the_order_of_the_masks_counts_not_that_of_the_scores(of_a: float) -> None:
    scores = {"a": torch.full((2,), of_a), "b": torch.full((2,), 2.0)}
    masks = {name: torch.ones(2, dtype=torch.bool) for name in ("b", "a")}
    assert count_ones(Global()(scores, masks, {IN_ALL: 2})) == {"b": 2, "a": 0}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_are_compared_to_their_last_bit(dtype: torch.dtype) -> None:
    one = torch.tensor(1.0, dtype=dtype)
    scores = torch.stack([one, torch.nextafter(one, 2 * one), one])
    masks = {"w": torch.ones(3, dtype=torch.bool)}
    for scope, keep in ((Layerwise(), {"w": 1}), (Global(), {IN_ALL: 1})):
        assert scope({"w": scores}, masks, keep)["w"].tolist() == [False, True, False]


@pytest.mark.parametrize("types", list(permutations([*DTYPES, torch.float16, torch.int64], 2)))
def test_layers_whose_scores_are_of_different_types_are_compared(
    types: tuple[torch.dtype, torch.dtype],
) -> None:
    first, second = types
    scores = {"a": torch.tensor([5, -1, 3]).to(first), "b": torch.tensor([-2, 4, 6]).to(second)}
    masks = {name: torch.ones(3, dtype=torch.bool) for name in scores}
    kept = Global()(scores, masks, {IN_ALL: 4})
    assert {name: mask.tolist() for name, mask in kept.items()} == {
        "a": [True, False, True],
        "b": [False, True, True],
    }


def test_whole_numbers_are_compared_to_their_last_bit() -> None:
    scores = torch.tensor([2**24, 2**24 + 1])
    assert keep_highest(scores, torch.tensor([True, True]), 1).tolist() == [False, True]


def test_a_number_per_layer_is_not_a_number_in_all() -> None:
    scores, masks = {"w": torch.ones(2)}, {"w": torch.ones(2, dtype=torch.bool)}
    with pytest.raises(KeyError, match="w"):
        Layerwise()(scores, masks, {IN_ALL: 1})
    with pytest.raises(KeyError, match="in all"):
        Global()(scores, masks, {"w": 1})


def test_global_wants_one_rate() -> None:
    with pytest.raises(ValueError, match=r"one rate for all layers, got \[0.1, 0.2\]"):
        Global().keep({"a": Layer(10, 0.2), "b": Layer(10, 0.1)}, 1)


def test_non_contiguous_scores_and_masks_count_by_their_own_index() -> None:
    scores = torch.arange(12.0).reshape(3, 4).t()
    mask = torch.ones(3, 4, dtype=torch.bool).t()
    assert not scores.is_contiguous()
    kept = keep_highest(scores, mask, 5)
    assert torch.equal(kept, scores >= 7)
    tied = keep_highest(torch.ones(3, 4).t(), mask, 4)
    assert tied.flatten().tolist() == [True] * 4 + [False] * 8


def test_inputs_are_left_as_they_were() -> None:
    scores, mask = torch.tensor([3.0, 1.0, 2.0]), _bits("110")
    keep_highest(scores, mask, 1)
    Global()({"w": scores}, {"w": mask}, {IN_ALL: 1})
    assert scores.tolist() == [3.0, 1.0, 2.0]
    assert mask.tolist() == [True, True, False]


# Anything, against a plain sort. Few different scores, so most draws have ties.

SCORES = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 1.5])
PLACE = st.tuples(SCORES, st.booleans())
SHAPED = st.lists(PLACE, min_size=1, max_size=24).flatmap(
    lambda places: st.sampled_from(
        [(n, len(places) // n) for n in range(1, len(places) + 1) if len(places) % n == 0]
    ).map(lambda shape: (places, shape))
)


def _tensors(places: list[tuple[float, bool]], shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    scores = torch.tensor([score for score, _ in places]).reshape(shape)
    return scores, torch.tensor([alive for _, alive in places]).reshape(shape)


def _by_sorting(scores: Tensor, mask: Tensor, keep: int) -> Tensor:
    values, alive = scores.flatten().tolist(), mask.flatten().tolist()
    places = sorted((i for i in range(len(values)) if alive[i]), key=lambda i: (-values[i], i))
    kept = torch.zeros(len(values), dtype=torch.bool)
    kept[places[:keep]] = True
    return kept.reshape(mask.shape)


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_the_size_of_the_pieces_looked_at_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(top_k, "CHUNK", chunk)
    generator = torch.Generator().manual_seed(chunk)
    scores = torch.randint(-2, 3, (6, 5), generator=generator) / 2  # many ties
    mask = torch.rand(6, 5, generator=generator) < 0.8
    for keep in range(int(mask.sum()) + 1):
        assert torch.equal(keep_highest(scores, mask, keep), _by_sorting(scores, mask, keep))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), SHAPED, min_size=1), st.data())
def test_layerwise_equals_sorting_each_layer(
    drawn: dict[str, tuple[list[tuple[float, bool]], tuple[int, int]]], data: st.DataObject
) -> None:
    pairs = {name: _tensors(*layer) for name, layer in drawn.items()}
    scores, masks = _split(pairs)
    alive = count_ones(masks)
    keep = {name: data.draw(st.integers(0, alive[name])) for name in masks}
    kept = Layerwise()(scores, masks, keep)
    assert count_ones(kept) == keep
    check_nested(kept, masks)
    backwards = Layerwise()(scores, dict(reversed(masks.items())), keep)
    for name in masks:
        assert torch.equal(kept[name], _by_sorting(scores[name], masks[name], keep[name]))
        assert torch.equal(kept[name], backwards[name])


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), SHAPED, min_size=1), st.data())
def test_global_equals_sorting_all_layers(
    drawn: dict[str, tuple[list[tuple[float, bool]], tuple[int, int]]], data: st.DataObject
) -> None:
    pairs = {name: _tensors(*layer) for name, layer in drawn.items()}
    scores, masks = _split(pairs)
    keep = data.draw(st.integers(0, sum(count_ones(masks).values())))
    kept = Global()(scores, masks, {IN_ALL: keep})
    assert sum(count_ones(kept).values()) == keep
    check_nested(kept, masks)
    joined = [torch.cat([t[name].flatten() for name in masks]) for t in (scores, masks, kept)]
    assert torch.equal(joined[2], _by_sorting(joined[0], joined[1], keep))


def _split(pairs: dict[str, tuple[Tensor, Tensor]]) -> tuple[Tensors, Masks]:
    return (
        {name: scores for name, (scores, _) in pairs.items()},
        {name: mask for name, (_, mask) in pairs.items()},
    )

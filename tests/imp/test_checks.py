"""The checks at a round's boundary, one by one: what they measure, and what they refuse."""

import pytest
import torch
from torch import Tensor

from lottery.imp.checks import (
    BrokenInvariant,
    check_masks,
    check_source,
    check_start,
    check_trained,
    check_unchanged,
)
from lottery.models.state import State
from lottery.pruning import IN_ALL, Keep

NAN = float("nan")
MASKS = {"w": torch.tensor([True, True, False]), "v": torch.tensor([False, False])}
ONES = {name: torch.ones_like(mask) for name, mask in MASKS.items()}


def _state(
    w: tuple[float, ...] = (1, 2, 0), v: tuple[float, ...] = (0, 0), mean: float = 5
) -> State:
    weights = {"w": torch.tensor(w), "v": torch.tensor(v), "bias": torch.tensor([3.0])}
    return State(weights, {"mean": torch.tensor([mean])})


@pytest.mark.parametrize("expected", [{IN_ALL: 2}, {"w": 2, "v": 0}])
def test_masks_as_expected_are_measured(expected: Keep) -> None:
    assert check_masks(1, MASKS, ONES, expected, nested=True) == {
        "ones_before": 5,
        "ones_after": 2,
        "empty_layers": ["v"],
    }


@pytest.mark.parametrize("expected", [{IN_ALL: 1}, {IN_ALL: 3}, {"w": 1, "v": 1}, {"w": 2}])
def test_a_wrong_count_is_refused(expected: Keep) -> None:
    with pytest.raises(BrokenInvariant, match=r"round 7: .* weights left, .* expected"):
        check_masks(7, MASKS, ONES, expected, nested=True)


def test_a_weight_that_came_back_is_refused_where_masks_are_nested() -> None:
    before = {**ONES, "w": torch.tensor([False, True, True])}
    with pytest.raises(BrokenInvariant, match="round 7: w: 1 pruned weights came back"):
        check_masks(7, MASKS, before, {IN_ALL: 2}, nested=True)
    check_masks(7, MASKS, before, {IN_ALL: 2}, nested=False)


def test_a_dense_start_that_equals_its_source_passes() -> None:
    measured = check_source(1, _state(w=(1, 2, 9)), _state(w=(1, 2, 9)), _state())
    assert measured == {"source_differing": 0}


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (_state(w=(1, 2, 0)), r"what is stored: w \(1 values\)"),  # masked: not the dense one
        (_state(w=(1, 2, 9), mean=6), r"what is stored: mean \(1 values\)"),
    ],
)
def test_a_dense_start_that_differs_from_its_source_is_refused(start: State, words: str) -> None:
    with pytest.raises(BrokenInvariant, match=words):
        check_source(1, start, _state(w=(1, 2, 9)), _state(w=(1, 2, 9)))


def test_a_drawn_start_must_not_be_the_initial_network() -> None:
    drawn = _state(w=(4, 5, 6))
    assert check_source(1, drawn, None, _state()) == {"source_differing": None}
    with pytest.raises(BrokenInvariant, match="the random start is the initial network"):
        check_source(1, _state(), None, _state())


def test_a_start_that_equals_its_source_where_kept_passes() -> None:
    dense = _state(w=(1, 2, 9), v=(8, 7))
    assert check_start(1, _state(), dense, MASKS) == {"start_differing": 0}


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (_state(w=(1, 2.5, 0)), r"differs from its source: w \(1 values\)"),
        (_state(mean=6), r"differs from its source: mean \(1 values\)"),
        (_state(w=(1, 2, 9)), r"w \(start\) has 9.0 on a pruned place"),
        (_state(v=(0, 1e-30)), r"v \(start\) has 1.* on a pruned place"),
        (_state(w=(1, NAN, 0)), "differs from its source: w"),
        (_state(w=(1, 2, NAN)), r"w \(start\) has nan on a pruned place"),
    ],
)
def test_a_start_that_is_not_its_source_under_the_mask_is_refused(
    stored: State, words: str
) -> None:
    with pytest.raises(BrokenInvariant, match=words):
        check_start(1, stored, _state(w=(1, 2, 9), v=(8, 7)), MASKS)


@pytest.mark.parametrize("missing", ["bias", "mean"])
def test_a_start_that_lacks_a_tensor_is_refused(missing: str) -> None:
    stored = _state()
    stored.weights.pop(missing, None)
    stored.buffers.pop(missing, None)
    with pytest.raises(BrokenInvariant, match=missing):
        check_start(1, stored, _state(), MASKS)


def test_a_training_from_the_start_with_zeros_passes() -> None:
    trained = {"at ES": _state(w=(4, 5, 0)), "at the end": _state(w=(6, 7, -0.0))}
    measured = check_trained(1, _state(), _state(), trained, MASKS)
    assert measured == {"trained_from_differing": 0, "pruned_max": 0.0}


@pytest.mark.parametrize("value", [1.0, -1.0, 1e-45, NAN, float("inf")])
@pytest.mark.parametrize("name", ["at ES", "at the end"])
def test_a_pruned_weight_that_is_not_zero_is_refused(name: str, value: float) -> None:
    trained = {"at ES": _state(), "at the end": _state()} | {name: _state(w=(1, 2, value))}
    with pytest.raises(BrokenInvariant, match=rf"w \({name}\) has .* on a pruned place"):
        check_trained(1, _state(), _state(), trained, MASKS)


@pytest.mark.parametrize("started", [_state(w=(1, 2.5, 0)), _state(mean=6)])
def test_a_training_from_elsewhere_is_refused(started: State) -> None:
    with pytest.raises(BrokenInvariant, match="did not start from the stored start"):
        check_trained(1, started, _state(), {"at the end": _state()}, MASKS)


def test_initial_weights_must_stay_the_same_bytes() -> None:
    assert check_unchanged(1, "abc", "abc") == {"initial_digest": "abc"}
    with pytest.raises(BrokenInvariant, match="round 1: the stored initial weights have changed"):
        check_unchanged(1, "abc", "abd")


def test_checks_change_nothing() -> None:
    state, dense = _state(), _state(w=(1, 2, 9))
    check_start(1, state, dense, MASKS)
    tensors: list[Tensor] = [state.weights["w"], dense.weights["w"]]
    assert [tensor.tolist() for tensor in tensors] == [[1, 2, 0], [1, 2, 9]]

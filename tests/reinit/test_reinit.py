"""Reinits: which weights, clock, schedule and optimizer state a round starts with."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from lottery.models.state import State
from lottery.reinit import (
    Continue,
    Finetune,
    LrRewind,
    Random,
    Reinit,
    Rewind,
    Sign,
    Stored,
    steps_to_come,
)

T = 100


def _state(value: float) -> State:
    """A network whose every number says where it comes from."""
    return State(
        weights={"fc.weight": torch.full((2,), value)},
        buffers={"norm.running_mean": torch.full((2,), value + 0.1)},
        optimizer={"fc.weight/exp_avg": torch.full((2,), value + 0.2)},
    )


INITIAL, REWIND_POINT, LAST, FRESH = 1.0, 2.0, 3.0, 4.0


def _stored(
    fresh: Callable[..., State] = lambda *_: _state(FRESH),
    round_number: int = 1,
) -> Stored:
    point, last = _state(REWIND_POINT), _state(LAST)
    return Stored(round_number, _state(INITIAL), point, last, T, fresh, ["fc.weight"])


@pytest.mark.parametrize(
    ("reinit", "source", "first_step", "num_steps", "schedule_step", "rate_stays", "restored"),
    [
        (Rewind(0, "fresh"), REWIND_POINT, 0, 100, 0, False, False),
        (Rewind(30, "fresh"), REWIND_POINT, 30, 70, 30, False, False),
        (Rewind(30, "restored"), REWIND_POINT, 30, 70, 30, False, True),
        (Rewind(99, "restored"), REWIND_POINT, 99, 1, 99, False, True),
        (Random(0), FRESH, 0, 100, 0, False, False),
        (Continue(), LAST, 0, 100, 0, False, True),
        (LrRewind(100), LAST, 0, 100, 0, False, False),
        (LrRewind(30), LAST, 0, 30, 70, False, False),
        (LrRewind(30, keep_optimizer=True), LAST, 0, 30, 70, False, True),
        (Finetune(100), LAST, 0, 100, 99, True, False),
        (Finetune(30), LAST, 0, 30, 99, True, False),
    ],
)
def test_starts(
    reinit: Reinit,
    source: float,
    first_step: int,
    num_steps: int,
    schedule_step: int,
    rate_stays: bool,
    restored: bool,
) -> None:
    start = reinit(_stored())
    assert start.weights["fc.weight"].tolist() == [source] * 2
    assert start.buffers["norm.running_mean"].tolist() == pytest.approx([source + 0.1] * 2)
    assert start.first_step == first_step
    assert start.num_steps == num_steps == steps_to_come(reinit, T)
    assert start.schedule_step == schedule_step
    assert start.rate_stays == rate_stays
    expected = _state(source).optimizer if restored else {}
    assert start.optimizer_state.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(start.optimizer_state[name], value)


@pytest.mark.parametrize(
    ("reinit", "source"),
    [
        (Rewind(0, "fresh"), "rewind_point"),
        (Rewind(30, "fresh"), "rewind_point"),
        (Continue(), "last"),
        (LrRewind(1), "last"),
        (Finetune(1), "last"),
        (Random(0), None),
        (Sign(), None),
    ],
)
def test_sources_that_starts_are_checked_against(reinit: Reinit, source: str | None) -> None:
    assert reinit.source == source
    if reinit.source is not None:
        assert torch.equal(
            reinit(_stored()).weights["fc.weight"],
            getattr(_stored(), reinit.source).weights["fc.weight"],
        )


@pytest.mark.parametrize(
    ("reinit", "rewind_step", "carries_optimizer"),
    [
        (Rewind(0, "fresh"), 0, False),
        (Rewind(30, "restored"), 30, False),
        (Random(0), 0, False),
        (Sign(), 0, False),
        (Continue(), 0, True),
        (LrRewind(30), 0, False),
        (LrRewind(30, keep_optimizer=True), 0, True),
        (Finetune(30), 0, False),
    ],
)
def test_what_a_reinit_needs_to_be_stored(
    reinit: Reinit, rewind_step: int, carries_optimizer: bool
) -> None:
    assert reinit.rewind_step == rewind_step
    assert reinit.carries_optimizer == carries_optimizer


def test_random_draws_differ_by_draw_and_by_round() -> None:
    asked: list[tuple[str | int, ...]] = []

    def fresh(*purpose: str | int) -> State:
        asked.append(purpose)
        return _state(FRESH)

    for draw in (0, 1):
        for number in (1, 2):
            Random(draw)(_stored(fresh=fresh, round_number=number))
    assert len(set(asked)) == 4
    assert ("init",) not in asked  # the purpose of the initial weights


def test_random_repeats_the_draw_of_a_round() -> None:
    asked: list[tuple[str | int, ...]] = []

    def fresh(*purpose: str | int) -> State:
        asked.append(purpose)
        return _state(FRESH)

    for _ in range(2):
        Random(1)(_stored(fresh=fresh, round_number=3))
    assert asked[0] == asked[1]


def test_sign_keeps_signs_and_one_magnitude_for_each_layer() -> None:
    weights = {
        "fc1.weight": torch.tensor([[1.0, -3.0], [3.0, -1.0]]),  # std sqrt((1 + 9 + 9 + 1) / 4)
        "fc2.weight": torch.tensor([0.5, -0.5]),  # std 0.5
        "norm.weight": torch.tensor([1.0, 2.0]),
        "fc1.bias": torch.tensor([0.3, 0.4]),
    }
    initial = State(weights, {"norm.running_mean": torch.tensor([7.0])})
    stored = replace(_stored(), initial=initial, prunable=["fc1.weight", "fc2.weight"])
    start = Sign()(stored)
    std = 5**0.5
    assert start.weights["fc1.weight"].flatten().tolist() == pytest.approx([std, -std, std, -std])
    assert start.weights["fc2.weight"].tolist() == [0.5, -0.5]
    assert start.weights["norm.weight"].tolist() == [1.0, 2.0]
    assert torch.equal(start.weights["fc1.bias"], weights["fc1.bias"])
    assert start.buffers["norm.running_mean"].tolist() == [7.0]
    assert (start.first_step, start.num_steps, start.schedule_step) == (0, T, 0)
    assert weights["fc2.weight"].tolist() == [0.5, -0.5]  # nothing is changed in place


@pytest.mark.parametrize(
    "reinit",
    [Rewind(30, "restored"), Rewind(0, "fresh"), Continue(), LrRewind(1), Finetune(1), Sign()],
)
def test_only_random_reinit_draws_a_network(reinit: Reinit) -> None:
    def fresh(*_: str | int) -> State:
        raise AssertionError("a new network")

    reinit(_stored(_state(REWIND_POINT), fresh))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rewind(-1, "fresh"), "to=-1: a whole number >= 0"),
        (lambda: Rewind(0, "kept"), "optimizer_state=kept: one of fresh, restored"),
        (lambda: Random(-1), "draw=-1: a whole number >= 0"),
        (lambda: LrRewind(0), "steps=0: a whole number >= 1"),
        (lambda: Finetune(0), "steps=0: a whole number >= 1"),
    ],
)
def test_wrong_values_are_refused(make: Callable[[], Reinit], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()

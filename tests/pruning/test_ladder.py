"""How many weights are left: the published ladder, rounding, and one shot against rounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lottery.masks import prunable_weights
from lottery.models import LeNet300100
from lottery.pruning import IN_ALL, Global, Layer, Layerwise
from lottery.pruning.scopes import left_after


@pytest.mark.parametrize(
    ("alive", "rate", "left"),
    [
        # 10 - 2, 8 - 2 (1.6), 6 - 1 (1.2), 5 - 1, 4 - 1 (0.8), 3 - 1 (0.6), 2 - 0 (0.4)
        (10, 0.2, [10, 8, 6, 5, 4, 3, 2, 2]),
        (1000, 0.5, [1000, 500, 250, 125, 63, 31, 15, 7]),  # 62.5 -> 62, 31.5 -> 32, 15.5 -> 16
        (5, 0.1, [5, 5]),  # 0.5 -> 0
        (15, 0.1, [15, 13]),  # 1.5 -> 2
        (25, 0.1, [25, 23]),  # 2.5 -> 2
        (7, 0.0, [7, 7, 7]),
        (7, 1.0, [7, 0, 0]),
        (0, 0.2, [0, 0]),
    ],
)
def test_left_after_rounds(alive: int, rate: float, left: list[int]) -> None:
    assert [left_after(alive, rate, rounds) for rounds in range(len(left))] == left


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(0, 30), st.integers(0, 30))
def test_left_after_goes_on_from_what_is_left_and_never_rises(
    alive: int, rate: float, some: int, more: int
) -> None:
    left = left_after(alive, rate, some)
    assert 0 <= left <= alive
    assert left_after(left, rate, more) == left_after(alive, rate, some + more)


def _lenet(rate: float, output_rate: float) -> dict[str, Layer]:
    weights = prunable_weights(LeNet300100((1, 28, 28), 10))
    rates = {"output.weight": output_rate}
    return {name: Layer(w.numel(), rates.get(name, rate)) for name, w in weights.items()}


def test_lenet_has_the_published_number_of_weights() -> None:
    layers = _lenet(0.2, 0.1)
    assert {name: layer.alive for name, layer in layers.items()} == {
        "fc1.weight": 784 * 300,
        "fc2.weight": 300 * 100,
        "output.weight": 100 * 10,
    }


@pytest.mark.parametrize(("rounds", "percent"), [(3, 51.28), (7, 21.07), (15, 3.58)])
def test_ladder_of_lenet_300_100(rounds: int, percent: float) -> None:
    left = Layerwise().keep(_lenet(0.2, 0.1), rounds)
    assert 100 * sum(left.values()) / 266_200 == pytest.approx(percent, abs=0.02)


@pytest.mark.parametrize("rounds", range(1, 21))
def test_one_shot_leaves_what_rounds_leave(rounds: int) -> None:
    layers = _lenet(0.2, 0.1)
    alive = {name: layer.alive for name, layer in layers.items()}
    for _ in range(rounds):
        alive = Layerwise().keep(
            {name: Layer(alive[name], layer.rate) for name, layer in layers.items()}, 1
        )
    assert Layerwise().keep(layers, rounds) == alive


@pytest.mark.parametrize("rounds", range(1, 21))
def test_global_one_shot_leaves_what_rounds_leave(rounds: int) -> None:
    layers = _lenet(0.2, 0.2)
    left = {IN_ALL: 266_200}
    for _ in range(rounds):
        # how the weights that are left are spread over the layers plays no part
        third, rest = left[IN_ALL] // 3, left[IN_ALL] - left[IN_ALL] // 3
        left = Global().keep({"a": Layer(third, 0.2), "b": Layer(rest, 0.2)}, 1)
    assert Global().keep(layers, rounds) == left

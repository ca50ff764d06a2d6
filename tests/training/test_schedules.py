"""Learning-rate schedules, by tables of factors."""

import pytest

from lottery.training.schedules import Constant, Schedule, StepDrops, Warmup


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (Constant(), [1, 1, 1, 1, 1, 1]),
        (StepDrops((), 0.5), [1, 1, 1, 1, 1, 1]),
        (StepDrops((2,), 0.5), [1, 1, 0.5, 0.5, 0.5, 0.5]),
        (StepDrops((1, 4), 0.5), [1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        (StepDrops((4, 1), 0.5), [1, 0.5, 0.5, 0.5, 0.25, 0.25]),  # in any order
        (StepDrops((2, 2), 0.5), [1, 1, 0.25, 0.25, 0.25, 0.25]),
        (StepDrops((3,), 2.0), [1, 1, 1, 2, 2, 2]),
        (Warmup(4, (), 0.5), [0.25, 0.5, 0.75, 1, 1, 1]),
        (Warmup(1, (), 0.5), [1, 1, 1, 1, 1, 1]),
        (Warmup(2, (3, 5), 0.5), [0.5, 1, 1, 0.5, 0.5, 0.25]),
        (Warmup(4, (2,), 0.5), [0.25, 0.5, 0.375, 0.5, 0.5, 0.5]),  # a drop during the rise
    ],
)
def test_factors_of_the_first_steps(schedule: Schedule, factors: list[float]) -> None:
    assert [schedule(step) for step in range(6)] == factors


@pytest.mark.parametrize("schedule", [Constant(), StepDrops((1,), 1), Warmup(3, [4], 1)])
def test_factors_are_floats(schedule: Schedule) -> None:
    assert {type(schedule(step)) for step in range(6)} == {float}


@pytest.mark.parametrize("steps", [0, -1])
def test_a_warmup_of_no_steps_is_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps={steps}: at least 1"):
        Warmup(steps, (), 0.1)

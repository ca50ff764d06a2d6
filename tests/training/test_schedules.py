"""Learning-rate schedules, by tables of factors."""

from functools import partial
from typing import Any

import pytest
import torch

from lottery.training.schedules import (
    Constant,
    Cosine,
    LinearWarmupCosine,
    OneCycle,
    Plateau,
    Schedule,
    StepDrops,
    Warmup,
)

SHAPE: dict[str, Any] = {"start": 0.5, "final": 0.25, "num_steps": 6}


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


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (Cosine(final=0, num_steps=6), [1, 0.933, 0.75, 0.5, 0.25, 0.067]),
        (Cosine(final=0, num_steps=2), [1, 0.5, 0, 0, 0, 0]),  # 0 beyond the end
        (Cosine(final=0.5, num_steps=4), [1, 0.927, 0.75, 0.573, 0.5, 0.5]),
        (Cosine(final=1, num_steps=4), [1, 1, 1, 1, 1, 1]),
        (LinearWarmupCosine(2, 0, num_steps=6), [0.5, 1, 1, 0.854, 0.5, 0.146]),
        (LinearWarmupCosine(1, 0, num_steps=5), [1, 1, 0.854, 0.5, 0.146, 0]),
        (LinearWarmupCosine(5, 0, num_steps=6), [0.2, 0.4, 0.6, 0.8, 1, 1]),
        (LinearWarmupCosine(2, 0.5, num_steps=4), [0.5, 1, 1, 0.75, 0.5, 0.5]),
        (OneCycle(0.5, anneal="linear", **SHAPE), [0.5, 0.75, 1, 0.75, 0.5, 0.25]),
        (OneCycle(0.5, anneal="cosine", **SHAPE), [0.5, 0.75, 1, 0.812, 0.438, 0.25]),
        (OneCycle(0.1, anneal="linear", **SHAPE), [0.944, 0.806, 0.667, 0.528, 0.389, 0.25]),
        (OneCycle(0.9, anneal="linear", **SHAPE), [0.5, 0.614, 0.727, 0.841, 0.955, 0.25]),
    ],
)
def test_factors_of_a_training_of_known_length(schedule: Schedule, factors: list[float]) -> None:
    """Tables to check by eye; the factors here have three digits."""
    assert [round(schedule(step), 3) for step in range(6)] == factors


@pytest.mark.parametrize(
    ("patience", "threshold", "min_factor", "factors"),
    [
        (0, 0.0, 0.0, [1, 1, 0.5, 0.25, 0.125, 0.125, 0.0625]),  # only 4 and 1 are better
        (1, 0.0, 0.0, [1, 1, 1, 0.5, 0.5, 0.5, 0.5]),
        (0, 0.5, 0.0, [1, 1, 0.5, 0.25, 0.125, 0.125, 0.0625]),
        (0, 0.8, 0.0, [1, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125]),  # 1 is not lower by 80 %
        (0, 0.0, 0.3, [1, 1, 0.5, 0.3, 0.3, 0.3, 0.3]),
        (9, 0.0, 0.0, [1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_a_plateau_lowers_the_rate_after_losses(
    patience: int, threshold: float, min_factor: float, factors: list[float]
) -> None:
    plateau = Plateau(0.5, patience, threshold=threshold, min_factor=min_factor)
    losses = [4.0, 4.0, 5.0, 4.0, 1.0, 2.0]
    assert [plateau.after(losses[:count])(3) for count in range(7)] == factors


@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("threshold", [0, 1e-4, 0.1])
def test_a_plateau_is_torchs(patience: int, threshold: float) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience, threshold=threshold, min_lr=0.01
    )
    ours = Plateau(0.5, patience, threshold=threshold, min_factor=0.01)
    losses = torch.rand(40, generator=torch.Generator().manual_seed(0)).tolist()
    for count, loss in enumerate(losses, start=1):
        theirs.step(loss)
        assert ours.after(losses[:count])(0) == optimizer.param_groups[0]["lr"], count
    assert ours.after(losses)(0) < 0.5


@pytest.mark.parametrize("anneal", ["cosine", "linear"])
@pytest.mark.parametrize(("rise", "num_steps"), [(0.3, 50), (0.1, 7), (0.25, 100)])
def test_one_cycle_is_torchs(anneal: str, rise: float, num_steps: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=2.0,
        total_steps=num_steps,
        pct_start=rise,
        anneal_strategy="cos" if anneal == "cosine" else "linear",
        cycle_momentum=False,
        div_factor=25,
        final_div_factor=10,
    )
    ours = OneCycle(rise, start=1 / 25, final=1 / 250, anneal=anneal, num_steps=num_steps)
    for step in range(num_steps):
        assert 2 * ours(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9), step
        optimizer.step()
        if step < num_steps - 1:
            theirs.step()


@pytest.mark.parametrize("final", [0, 0.1])
def test_cosine_is_torchs(final: float) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30, eta_min=final)
    ours = Cosine(final, num_steps=30)
    for step in range(30):
        assert ours(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9, abs=1e-12)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(),
        StepDrops((1,), 1),
        Warmup(3, [4], 1),
        Cosine(0, num_steps=3),
        LinearWarmupCosine(1, 0, num_steps=3),
        OneCycle(0.5, start=1, final=0, anneal="linear", num_steps=3),
    ],
)
def test_factors_are_floats(schedule: Schedule) -> None:
    assert {type(schedule(step)) for step in range(6)} == {float}


@pytest.mark.parametrize("steps", [0, -1])
def test_a_warmup_of_no_steps_is_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps={steps}: at least 1"):
        Warmup(steps, (), 0.1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rise": 0}, "rise=0: a number above 0 and below 1"),
        ({"rise": 1}, "rise=1: a number above 0 and below 1"),
        ({"rise": "0.3"}, "rise=0.3: a number above 0 and below 1"),
        ({"start": -0.1}, "start=-0.1: a number from 0 to 1"),
        ({"final": 1.5}, "final=1.5: a number from 0 to 1"),
        ({"final": True}, "final=True: a number from 0 to 1"),
        ({"final": float("nan")}, "final=nan: a number from 0 to 1"),
        ({"anneal": "cos"}, "anneal=cos: cosine or linear"),
        ({"num_steps": 0}, "num_steps=0: a whole number >= 1"),
    ],
)
def test_one_cycle_refuses_other_values(changed: dict[str, Any], message: str) -> None:
    usual = {"rise": 0.3, "start": 0.1, "final": 0, "anneal": "linear", "num_steps": 10}
    with pytest.raises(ValueError, match=f"^{message}"):
        OneCycle(**(usual | changed))


@pytest.mark.parametrize("steps", [0, 10, 11, 2.5, None])
def test_a_rise_of_no_steps_or_of_all_is_refused(steps: Any) -> None:
    with pytest.raises(ValueError, match=f"^steps={steps}: .* 10 steps"):
        LinearWarmupCosine(steps, 0, num_steps=10)


@pytest.mark.parametrize("final", [-1, 2, "a"])
def test_cosines_refuse_a_final_factor_outside_0_to_1(final: Any) -> None:
    for make in (Cosine, partial(LinearWarmupCosine, 1)):
        with pytest.raises(ValueError, match=f"^final={final}: a number from 0 to 1"):
            make(final=final, num_steps=10)

"""When masks move, how many weights are dropped and grown, and which: literal tables."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lottery.dynamic import AcDc, Dynamic, Gmp, Moment, Quota, Rigl, Set, Span, Stage, Static
from lottery.masks import Masks
from lottery.pruning import IN_ALL, Keep, Trained
from lottery.tensors import Tensors

SET = Set(every=10, end=0.5, fraction=0.3)
RIGL = Rigl(every=10, end=0.5, fraction=0.4)
GMP = Gmp(every=10, begin=0.2, end=0.58)
STATIC = Static(end=0.75)


@pytest.mark.parametrize(
    ("dynamic", "span", "steps", "settled"),
    [
        (SET, Span(0, 100), [10, 20, 30, 40], 50),
        (RIGL, Span(0, 100), [10, 20, 30, 40], 50),
        (RIGL, Span(60, 160), [70, 80, 90, 100], 110),  # a round that is rewound to step 60
        (Rigl(10, 1, 0.3), Span(0, 30), [10, 20], 30),
        (GMP, Span(0, 100), [30, 40, 50], 58),
        (Gmp(10, 0, 0.5), Span(0, 100), [10, 20, 30, 40, 50], 50),
        (STATIC, Span(0, 100), [], 75),
        # the epochs of the authors' runs: ResNet-50 on ImageNet, WideResNet on CIFAR-100
        (AcDc(0.1, 0.05, 0.85), Span(0, 100), [*range(10, 80, 5), 85], 85),
        (AcDc(0.05, 0.1, 0.85), Span(0, 200), [10, 30, 50, 70, 90, 110, 130, 150, 170], 170),
        (AcDc(0.1, 0.2, 0.7), Span(60, 160), [70, 90, 130], 130),  # rewound to step 60
        (AcDc(0.1, 0.2, 0.49), Span(0, 100), [], 49),  # no room for two phases
        (AcDc(0.1, 0.05, 0.85), Span(0, 10), [], 8),  # phases of half a step
        (AcDc(0.1, 1e-12, 0.85), Span(0, 10), [], 8),
        (AcDc(0.15, 0.1, 0.85), Span(0, 10), [], 8),  # after 1.5 and 2.5 steps, both are 2
        (AcDc(0.1, 0.1, 0.8), Span(0, 10), [1, 2, 3, 4, 5, 6, 8], 8),
        (AcDc(0.01, 0.3, 0.9), Span(0, 10), [], 9),  # the first one begins before the first step
    ],
)
def test_masks_move_at_these_steps(
    dynamic: Dynamic, span: Span, steps: list[int], settled: int
) -> None:
    assert list(dynamic.steps(span)) == steps
    assert dynamic.settled(span) == settled


def stage(step: int, target: Keep | None = None, **alive: int) -> Stage:
    sizes = {"a": 1000, "b": 50}
    return Stage(
        step, Span(0, 100), sizes=sizes, start=sizes, alive=alive, target=target or {**alive}
    )


def test_set_exchanges_a_constant_share_and_no_more_than_is_pruned() -> None:
    for step in (10, 40):
        quota = SET.quota(stage(step, a=105, b=45))
        assert quota == Quota({"a": 31, "b": 5}, {"a": 31, "b": 5})
    assert SET.quota(stage(10, a=1000, b=0)).dropped == {"a": 0, "b": 0}


@pytest.mark.parametrize(
    ("step", "number"),  # 100 x 0.4 / 2 x (1 + cos(pi step / 50))
    [(10, 36), (20, 26), (30, 13), (40, 3)],
)
def test_rigl_exchanges_a_share_that_falls_by_a_cosine(step: int, number: int) -> None:
    assert RIGL.quota(stage(step, a=100, b=10)).grown["a"] == number


def test_gmp_follows_the_cubic_schedule_to_the_exact_end() -> None:
    # 100 + 900 x (1, 8/27, 1/27, 0)
    left = {30: (1000, 367), 40: (367, 133), 50: (133, 100)}
    for step, (before, after) in left.items():
        quota = GMP.quota(stage(step, {"a": 100, "b": 50}, a=before, b=50))
        assert quota == Quota({"a": before - after, "b": 0}, {"a": 0, "b": 0})
    in_all = GMP.quota(stage(50, {IN_ALL: 105}, a=100, b=35))
    assert in_all == Quota({IN_ALL: 30}, {IN_ALL: 0})


ACDC = AcDc(begin=0.1, phase=0.2, end=0.7)  # pruned after steps 10 and 70, dense after 30


def test_acdc_prunes_to_the_end_s_numbers_and_lets_all_that_was_there_come_back() -> None:
    for step in (10, 70):
        quota = ACDC.quota(stage(step, {"a": 100, "b": 50}, a=1000, b=50))
        assert quota == Quota({"a": 900, "b": 0}, {"a": 0, "b": 0})
        in_all = ACDC.quota(stage(step, {IN_ALL: 105}, a=1000, b=50))
        assert in_all == Quota({IN_ALL: 945}, {IN_ALL: 0})
    for target in ({"a": 100, "b": 50}, {IN_ALL: 105}):
        quota = ACDC.quota(stage(30, target, a=95, b=10))
        assert quota == Quota({"a": 0, "b": 0}, {"a": 905, "b": 40})


WEIGHTS = {"w": torch.tensor([0.5, -2.0, 0.1, 3.0, 0.0, 0.0, 0.0, 0.0])}
MASKS = {"w": torch.tensor([True, True, True, True, False, False, False, False])}
START = {"w": torch.tensor([True, True, True, True, True, True, False, False])}
GRADIENTS = {"w": torch.tensor([9.0, 9.0, 9.0, 9.0, 0.1, -0.4, 0.2, 0.4])}


def moment(dynamic: Dynamic, number: int, pruned: list[Keep] | None = None) -> Moment:
    """Eight weights of which four are there; the dynamic exchanges `number`."""

    def prune(trained: Trained, keep: Keep) -> Masks:
        (pruned if pruned is not None else []).append(keep)
        return trained.masks

    generator = torch.Generator().manual_seed(5)
    return Moment(
        stage=Stage(
            10,
            Span(0, 40),
            sizes={"w": 8},
            start={"w": 8},
            alive={"w": 4},
            target={"w": number},
        ),
        trained=Trained(1, WEIGHTS, WEIGHTS, MASKS, generator),
        prune=prune,
        gradients=lambda: GRADIENTS,
        start=START,
    )


def test_rigl_drops_the_smallest_weights_and_grows_the_largest_gradients() -> None:
    rigl = Rigl(every=10, end=0.5, fraction=1)  # 1/2 at the middle of its steps
    moved = rigl(moment(rigl, 2))["w"]
    # 0.5 and 0.1 go. Of the gradients -0.4 and 0.4 the sign does not count; those of weights that
    # are there, or were, do not count at all.
    assert moved.tolist() == [False, True, False, True, False, True, False, True]


def test_equal_gradients_grow_by_their_index() -> None:
    rigl = Rigl(every=10, end=0.5, fraction=0.5)
    assert rigl(moment(rigl, 1))["w"].tolist()[4:] == [False, True, False, False]


def test_set_grows_at_random_by_the_seed_of_the_step() -> None:
    dynamic = Set(every=10, end=0.5, fraction=0.25)
    chance = torch.rand(8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    moved = dynamic(moment(dynamic, 1))["w"]
    assert moved.tolist()[:4] == [True, True, False, True]
    assert int(moved[4:].nonzero()) == int(chance[4:].argmax())


def test_gmp_leaves_the_choice_to_criterion_and_scope() -> None:
    asked: list[Keep] = []
    gmp = Gmp(every=10, begin=0, end=0.5)
    gmp(moment(gmp, 2, asked))
    assert asked == [{"w": 3}]  # 2 + (8 - 2) / 8, and the half to even


def test_acdc_leaves_the_choice_to_criterion_and_scope_and_returns_to_the_start() -> None:
    asked: list[Keep] = []
    acdc = AcDc(begin=0.25, phase=0.25, end=0.75)
    acdc(moment(acdc, 2, asked))  # of 40 steps, after step 10
    assert asked == [{"w": 2}]
    dense = AcDc(begin=0.125, phase=0.125, end=0.75)
    assert dense(moment(dense, 2, asked)) is START
    assert asked == [{"w": 2}]


def test_static_keeps_its_masks() -> None:
    assert STATIC(moment(STATIC, 1)) is MASKS


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Set(0, 0.5, 0.3), "every=0: a whole number >= 1"),
        (lambda: Set(10, 0, 0.3), "end=0: a number above 0, at most 1"),
        (lambda: Rigl(10, 1.5, 0.3), "end=1.5: a number above 0, at most 1"),
        (lambda: Rigl(10, 0.5, True), "fraction=True: a number above 0, at most 1"),
        (lambda: Rigl(10, 0.5, float("nan")), "fraction=nan: a number above 0, at most 1"),
        (lambda: Gmp(10, -0.1, 0.5), "begin=-0.1: a number from 0 to 1"),
        (lambda: Gmp(10, 0, 0.5, 1), "restart=1: true or false"),  # type: ignore[arg-type]
        (lambda: AcDc(0, 0.1, 0.5), "begin=0: a number above 0, at most 1"),
        (lambda: AcDc(0.1, 0, 0.5), "phase=0: a number above 0, at most 1"),
        (lambda: Static("x"), "end=x: a number above 0, at most 1"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()


def test_random_growth_is_another_one_at_each_step() -> None:
    def grown(seed: int) -> Tensors:
        generator = torch.Generator().manual_seed(seed)
        weights = {"w": torch.arange(1000.0)}
        masks = {"w": torch.arange(1000) < 500}
        trained = Trained(1, weights, weights, masks, generator)
        counts = {"w": 500}
        stage = Stage(
            10, Span(0, 40), sizes={"w": 1000}, start=counts, alive=counts, target=counts
        )
        return SET(Moment(stage, trained, prune=lambda t, k: t.masks, gradients=dict, start=masks))

    assert not torch.equal(grown(1)["w"], grown(2)["w"])
    assert int(grown(1)["w"].sum()) == 500

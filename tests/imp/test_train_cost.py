"""What rounds cost to train, by hand, for each way to find their masks and weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lottery.config import prepare
from lottery.dynamic import Moving, Rigl, Span, Static
from lottery.imp import TrainCost
from lottery.imp.moving import moved_segments
from lottery.measure.train_flops import Segment, static_segment
from lottery.record.opened_run import OpenedRun
from lottery.training.mover import Moved
from tests.conftest import TINY
from tests.helpers.experiments import composed
from tests.helpers.toy_records import toy_record

# Batches of 2, trainings of 10 steps. A dense forward pass has 100 FLOPs, so that a dense
# training has 3 * 2 * 10 * 100 = 6,000. Half of the weights are left after each round.
COST = TrainCost(
    batch_size=2, num_steps=10, rewind_step=0, builds_on_training=True, needs_dense_round=True
)
AT_INIT = replace(COST, builds_on_training=False, needs_dense_round=False)
LEFT = (100, 50, 25)


def counts(left: int, frozen: int = 0) -> dict[str, Any]:
    layers = {"weight": {"flops": 100, "flops_remaining": left}}
    return {"flops": frozen + 100, "flops_remaining": frozen + left, "by_layer": layers}


def table(cost: TrainCost, frozen: int = 0) -> list[tuple[int, int]]:
    """Return `train_flops` and `train_flops_total` of the rounds 0, 1 and 2."""
    rows: list[Any] = []
    for number, left in enumerate(LEFT):
        steps = cost.num_steps - (cost.rewind_step if number else 0)
        numbers = counts(left, frozen)
        columns = cost.columns(number, [static_segment(steps, left)], counts=numbers, rows=rows)
        assert columns["dense_trainings"] == columns["train_flops_total"] / 6000
        rows.append({"round": number, "flops_remaining": frozen + left, **columns})
    return [(row["train_flops"], row["train_flops_total"]) for row in rows]


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        # a ticket costs all rounds that found it: 6,000 + 3,000 + 1,500
        (COST, [(6000, 6000), (3000, 9000), (1500, 10500)]),
        # rewound to step 4, of 10: the dense training's first steps are counted once
        (replace(COST, rewind_step=4), [(6000, 6000), (1800, 7800), (900, 8700)]),
        # masks at initialisation or by chance need no training, and not the dense round's
        (AT_INIT, [(6000, 6000), (3000, 3000), (1500, 1500)]),
        # pruned while they train (GMP): round 2 goes on from the masks of round 1
        (replace(COST, needs_dense_round=False), [(6000, 6000), (3000, 3000), (1500, 4500)]),
        # but its first 4 steps, 2,400, if they start there
        (replace(AT_INIT, rewind_step=4), [(6000, 6000), (1800, 4200), (900, 3300)]),
        # 7 examples scored before round 1 (3 * 7 * 100) and before round 2 (3 * 7 * 50)
        (replace(AT_INIT, examples_scored=7), [(6000, 6000), (3000, 5100), (1500, 4650)]),
        (replace(COST, examples_scored=7), [(6000, 6000), (3000, 11100), (1500, 13650)]),
    ],
    ids=[
        "ticket",
        "rewound",
        "at init",
        "gradual",
        "at init, rewound",
        "scored at init",
        "scored",
    ],
)
def test_rounds_count_all_that_led_to_them(
    cost: TrainCost, expected: list[tuple[int, int]]
) -> None:
    assert table(cost) == expected


def test_a_frozen_base_is_not_trained() -> None:
    assert table(replace(COST, examples_scored=7), frozen=1000) == table(
        replace(COST, examples_scored=7)
    )


def test_masks_that_move_are_counted_segment_by_segment() -> None:
    rigl = [static_segment(9, 20), Segment(1, 20, gradients=100)]
    columns = COST.columns(0, rigl, counts=counts(20), rows=[])
    assert columns["train_flops"] == 2 * (9 * 3 * 20 + 2 * 20 + 100)
    assert columns["dense_trainings"] == 1360 / 6000


def test_copied_masks_cost_what_their_trunk_did(tmp_path: Path) -> None:
    trunk = toy_record(tmp_path / "seed_0")  # its totals: 1, 2, 3 ... dense trainings of its own
    found = [row["train_flops_total"] - row["train_flops"] for row in trunk.rows]
    copy = replace(AT_INIT, trunk=trunk)
    assert table(copy) == [(6000, 6000), (3000, found[1] + 3000), (1500, found[2] + 1500)]
    tuned = replace(copy, builds_on_training=True)  # round 2 goes on from the end of round 1
    assert table(tuned)[2] == (1500, found[2] + 3000 + 1500)


def made_in_training(path: Path, **changes: Any) -> OpenedRun:
    """Return a trunk of three rounds whose masks were made while they trained."""
    trunk = toy_record(path)
    for number in (1, 2):
        trunk.record(number).update(changes)
    return trunk


@pytest.mark.parametrize(
    "changes",
    [
        {"dynamic": [{"layer": "fc1.weight", "dropped": 1, "grown": 1}]},
        {"checks": {"frozen_differing": 0}},
    ],
    ids=["moved", "learned"],
)
def test_copied_masks_cost_the_training_that_made_them(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    trunk = made_in_training(tmp_path / "seed_0", **changes)
    found = [row["train_flops_total"] for row in trunk.rows]
    copy = replace(AT_INIT, trunk=trunk)
    assert table(copy) == [(6000, 6000), (3000, found[1] + 3000), (1500, found[2] + 1500)]


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        # tuned from the end of the run's own dense round, 6,000
        (replace(AT_INIT, builds_on_training=True), [(3000, 9000), (1500, 10500)]),
        # rewound to step 4, 2,400
        (replace(AT_INIT, rewind_step=4), [(1800, 4200), (900, 3300)]),
        (AT_INIT, [(3000, 3000), (1500, 1500)]),
    ],
    ids=["tuned", "rewound", "at init"],
)
def test_a_trained_start_costs_its_training_if_copied_masks_have_cost_none(
    tmp_path: Path, cost: TrainCost, expected: list[tuple[int, int]]
) -> None:
    trunk = toy_record(tmp_path / "seed_0")
    for row in trunk.rows[1:]:  # its masks are made by chance
        row["train_flops_total"] = row["train_flops"]
    assert table(replace(cost, trunk=trunk))[1:] == expected


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("dynamic", "builds_on_training"),
    [
        ("none", False),
        ("static", False),
        ("gmp", False),
        ("acdc", False),
        ("set", True),
        ("rigl", True),
    ],
)
def test_masks_that_were_exchanged_build_on_the_training_that_did_it(
    dynamic: str, builds_on_training: bool
) -> None:
    """The masks of round 2 are made of those that round 1 has ended with."""
    every = ["dynamic.every=2"] if dynamic in ("gmp", "set", "rigl") else []
    config = composed(*TINY, "criterion=random", f"dynamic={dynamic}", *every)
    cost = prepare(config, Path("run").absolute()).imp.cost
    assert cost is not None
    assert (cost.builds_on_training, cost.needs_dense_round) == (builds_on_training, False)


def test_what_an_older_version_has_trained_is_not_added_up(tmp_path: Path) -> None:
    older: list[Any] = [{"round": 0, "flops_remaining": 100}, {"round": 1, "flops_remaining": 50}]
    for cost in (COST, AT_INIT):
        columns = cost.columns(2, [static_segment(10, 25)], counts=counts(25), rows=older)
        assert columns == {"train_flops": 1500}
    trunk = toy_record(tmp_path / "seed_0")
    del trunk.rows[1]["train_flops_total"]
    copy = replace(COST, trunk=trunk)
    columns = copy.columns(1, [static_segment(10, 50)], counts=counts(50), rows=older[:1])
    assert columns == {"train_flops": 3000}


def test_updates_of_masks_divide_a_round_into_segments() -> None:
    """RigL keeps 20 of 100 weights, and moves them after the steps 4 and 8 of 10."""
    start = {"weight": torch.arange(100) < 20}
    rigl = Rigl(every=4, end=1.0, fraction=0.3)
    moving = Moving(
        round=1,
        dynamic=rigl,
        span=Span(0, 10),
        start=start,
        target={"weight": 20},
        now=lambda *_: pytest.fail("not called"),
        prune=lambda *_: pytest.fail("not called"),
        num_steps=10,
    )
    moves: list[Any] = [
        {"step": step, "layer": "weight", "dropped": 6, "grown": 6, "remaining": 20}
        for step in (4, 8)
    ]
    found = moved_segments(moving, Moved(start, moves), counts(20), steps=10)
    dense = Segment(1, 20, gradients=100)
    four, two = static_segment(4, 20), static_segment(2, 20)
    assert found == [four, dense, four, dense, two]
    gmp = replace(
        moving, dynamic=Static(end=1.0), start={"weight": torch.ones(100, dtype=torch.bool)}
    )
    dropping = [move | {"remaining": 100 - 10 * move["step"]} for move in moves]
    found = moved_segments(gmp, Moved(start, dropping), counts(20), steps=10)
    assert found == [static_segment(4, 100), static_segment(4, 60), static_segment(2, 20)]
    taking_turns = [moves[0], moves[1] | {"remaining": 100}]  # AC/DC: few weights, then all
    found = moved_segments(gmp, Moved(start, taking_turns), counts(20), steps=10)
    assert found == [static_segment(4, 100), static_segment(4, 20), static_segment(2, 100)]

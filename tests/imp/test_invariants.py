"""The invariants of a run, each in a named test, on a network with BatchNorm.

1 exact counts, 2 masks, 4 rewinding, 6 block size, 7 seeds, 8 fair controls, 9 counts of ones,
10 LeNet's ladder. 3 is test_pruned_weights.py, 5 test_dense_tails.py, 6 also test_resume.py.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lottery.imp import NothingToRewindTo
from lottery.masks import count_ones
from lottery.pruning import CopiedPruner, Global, Layerwise, Pruner, ScoredPruner
from lottery.pruning.scopes import left_after
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.reinit import Random, Rewind
from lottery.tensors import digest, load_tensors
from lottery.training.evaluation import EvaluationSchedule
from lottery.training.schedules import StepDrops
from tests.helpers.toy_runs import (
    EVERY,
    NUM_STEPS,
    SIZES,
    AllEqual,
    Recorder,
    ToyResNet,
    masks_of,
    run_toy,
    toy_fit,
)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.99])
def test_1_each_round_removes_exactly_the_asked_number_even_if_all_scores_tie(
    tmp_path: Path, rate: float
) -> None:
    prune = ScoredPruner(AllEqual(), Layerwise(), dict.fromkeys(SIZES, rate))
    run_toy(tmp_path, prune=prune)
    for number in (0, 1, 2):
        expected = {name: left_after(size, rate, number) for name, size in SIZES.items()}
        assert count_ones(masks_of(tmp_path, number)) == expected


def test_1_global_scope_removes_exactly_the_asked_number_in_all(tmp_path: Path) -> None:
    run_toy(tmp_path, prune=ScoredPruner(AllEqual(), Global(), dict.fromkeys(SIZES, 0.2)))
    totals = [sum(count_ones(masks_of(tmp_path, number)).values()) for number in (0, 1, 2)]
    assert totals == [504, 403, 322]  # 504 - round(100.8), 403 - round(80.6)


def test_2_masks_are_binary_and_nested(tmp_path: Path) -> None:
    run_toy(tmp_path)
    for number in (1, 2):
        masks, before = masks_of(tmp_path, number), masks_of(tmp_path, number - 1)
        for name, mask in masks.items():
            assert mask.dtype == torch.bool
            assert not (mask & ~before[name]).any()


@pytest.mark.parametrize("shuffle", ["none", "layerwise", "global"])
def test_2_copied_masks_have_their_trunks_counts(tmp_path: Path, shuffle: str) -> None:
    assert_copies_have_their_trunks_counts(tmp_path, shuffle)


def assert_copies_have_their_trunks_counts(
    path: Path, shuffle: str, make_pruner: Callable[..., Pruner] = CopiedPruner
) -> None:
    run_toy(path / "trunk")
    copied = make_pruner(lambda number: masks_of(path / "trunk", number), shuffle)
    run_toy(path / "copy", prune=copied)
    for number in (1, 2):
        there = masks_of(path / "trunk", number)
        here = masks_of(path / "copy", number)
        assert sum(count_ones(here).values()) == sum(count_ones(there).values())
        assert (digest(here) == digest(there)) == (shuffle == "none")
        if shuffle != "global":
            assert count_ones(here) == count_ones(there)


def test_2_a_layer_that_empties_is_warned_about_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rates = {"conv1.weight": 0.2, "conv2.weight": 0.2, "output.weight": 0.99}
    with caplog.at_level(logging.WARNING):
        run_toy(tmp_path, prune=ScoredPruner(AllEqual(), Layerwise(), rates), rounds=(0, 1))
    assert "no weight of output.weight is left" in caplog.text


def test_4_after_a_rewind_everything_is_as_stored(tmp_path: Path) -> None:
    recorder = Recorder()
    schedule = StepDrops(at=(6,), factor=0.1)
    fit = toy_fit(block=1, callbacks=[recorder], schedule=schedule, fixed_order=True)
    run_toy(tmp_path, fit, reinit=Rewind(5, "fresh"))
    stored = load_tensors(RunDir(tmp_path).round(0).rewind)
    for number in (1, 2):
        start = load_tensors(RunDir(tmp_path).round(number).start)
        masks = masks_of(tmp_path, number)
        for name, value in stored.items():
            kept = masks.get(name, torch.ones_like(value, dtype=torch.bool))
            assert torch.equal(start[name][kept], value[kept]), name
    assert start["norm1.num_batches_tracked"] == 5
    dense, tail = slice(5, NUM_STEPS), slice(NUM_STEPS, NUM_STEPS + NUM_STEPS - 5)
    assert recorder.steps[tail] == list(range(6, NUM_STEPS + 1))
    assert recorder.rates[tail] == recorder.rates[dense]  # the drop at step 6 included
    assert recorder.rates[5] != recorder.rates[6]
    assert recorder.rows[tail] == recorder.rows[dense]


def test_4_batchnorm_is_trained_in_every_round(tmp_path: Path) -> None:
    """Evaluation and timing leave no layer in evaluation mode."""
    run_toy(tmp_path)
    for number in (0, 1, 2):
        final = load_tensors(RunDir(tmp_path).round(number).final)
        assert final["norm1.num_batches_tracked"] == NUM_STEPS


def test_4_a_rewind_point_that_was_not_reached_ends_the_run(tmp_path: Path) -> None:
    """W_0 at the clock of step k would be a silent error."""
    evaluation = EvaluationSchedule(every=1, test_curve=False, patience=1)
    fit = replace(toy_fit(optimizer=lambda p: torch.optim.SGD(p, lr=5.0)), evaluation=evaluation)
    with pytest.raises(NothingToRewindTo, match="before step 11"):
        run_toy(tmp_path, fit, reinit=Rewind(11, "fresh"))
    assert RunDir(tmp_path).finished_rounds() == [0]


def test_4_the_stored_initial_weights_never_change(tmp_path: Path) -> None:
    run_toy(tmp_path, rounds=(0,))
    before = RunDir(tmp_path).round(0).start.read_bytes()
    run_toy(tmp_path, rounds=(0, 1, 2))
    assert RunDir(tmp_path).round(0).start.read_bytes() == before


@pytest.mark.parametrize("block", [1, 3, 50])
def test_6_block_size_changes_nothing(tmp_path: Path, block: int) -> None:
    """The last sentence of invariant 6; test_resume holds the rest."""
    run_toy(tmp_path / "a", toy_fit(block=4), reinit=Rewind(5, "fresh"))
    run_toy(tmp_path / "b", toy_fit(block=block), reinit=Rewind(5, "fresh"))
    a, b = RunDir(tmp_path / "a"), RunDir(tmp_path / "b")
    assert a.results_csv.read_bytes() == b.results_csv.read_bytes()
    assert a.round(2).final.read_bytes() == b.round(2).final.read_bytes()


def test_7_same_seed_same_numbers(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_toy(tmp_path / name)
    a, b = RunDir(tmp_path / "a"), RunDir(tmp_path / "b")
    assert a.history_csv.read_bytes() == b.history_csv.read_bytes()
    assert a.round(2).final.read_bytes() == b.round(2).final.read_bytes()


def test_8_a_random_ticket_starts_from_dense_weights(tmp_path: Path) -> None:
    run_toy(tmp_path / "trunk", rounds=(0, 1, 2, 3))
    copied = CopiedPruner(lambda number: masks_of(tmp_path / "trunk", number), "layerwise")
    run_toy(tmp_path / "copy", prune=copied, rounds=(0, 1, 2, 3))
    start = load_tensors(RunDir(tmp_path / "copy").round(3).start)
    initial = load_tensors(RunDir(tmp_path / "copy").round(0).start)
    for name, mask in masks_of(tmp_path / "copy", 3).items():
        assert (start[name][mask] != 0).all()
        assert torch.equal(start[name][mask], initial[name][mask])


def test_8_random_reinit_has_its_own_seed(tmp_path: Path) -> None:
    starts = {}
    for draw in (0, 1):
        run_toy(tmp_path / str(draw), reinit=Random(draw))
        for number in (0, 1, 2):
            start = load_tensors(RunDir(tmp_path / str(draw)).round(number).start)
            starts[draw, number] = float(start["conv1.weight"].abs().sum())
    assert starts[0, 0] == starts[1, 0]  # the dense round does not depend on the draw
    assert len(set(starts.values())) == len(starts) - 1


def test_9_remaining_counts_ones_and_live_zeros_are_reported(tmp_path: Path) -> None:
    class WithZeros(ToyResNet):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                self.output.weight[0] = 0  # alive, and zero whatever is trained
            return super().forward(inputs)

    keep_all = ScoredPruner(AllEqual(), Layerwise(), dict.fromkeys(SIZES, 0.0))
    fit = toy_fit(WithZeros(), optimizer=lambda p: torch.optim.SGD(p, lr=0.0))
    _, rows = run_toy(tmp_path, fit, prune=keep_all, rounds=(0, 1))
    assert [row["remaining"] for row in rows] == [1.0, 1.0]
    assert [row["live_zeros"] for row in rows] == [6, 6]


def test_10_the_ladder_of_lenet_300_100(tmp_path: Path) -> None:
    layers = {"fc1.weight": (235_200, 0.2), "fc2.weight": (30_000, 0.2)}
    layers |= {"output.weight": (1_000, 0.1)}
    for rounds, percent in ((3, 51.28), (7, 21.07), (15, 3.58)):
        left = sum(left_after(size, rate, rounds) for size, rate in layers.values())
        assert 100 * left / 266_200 == pytest.approx(percent, abs=0.02)


def test_es_is_the_first_minimum_of_validation_loss(tmp_path: Path) -> None:
    assert_es_is_the_first_minimum(tmp_path)


def assert_es_is_the_first_minimum(path: Path, **changes: Any) -> None:
    imp, rows = run_toy(path, **changes)
    for row in rows:
        history = OpenedRun(imp.run_dir).records[row["round"]]["history"]
        val = [entry for entry in history if entry["split"] == "val"]
        assert [entry["iteration"] for entry in val] == list(range(EVERY, NUM_STEPS + 1, EVERY))
        lowest = min(entry["loss"] for entry in val)
        first = next(entry for entry in val if entry["loss"] == lowest)
        assert row["ES"] == first["iteration"]
        assert row["val_loss"] == lowest

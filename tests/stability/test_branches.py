"""Branches of a run's training: the run's own, and copies that differ in noise alone."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lottery.data.augmentation import CropAndFlip
from lottery.record.files import read_json
from lottery.record.run_dir import RunDir
from lottery.reinit import Finetune, Reinit, Rewind
from lottery.stability.copies import with_noise
from lottery.tensors import digest, load_tensors
from lottery.training.evaluation import EvaluationSchedule
from tests.helpers.stability_runs import start_of, toy_run, trainings_of
from tests.helpers.toy_runs import NUM_STEPS, Recorder, ToyDropout, adam, sgd, toy_fit


@pytest.mark.parametrize(
    ("optimizer", "reinit", "number", "step"),
    [
        (sgd, Rewind(0, "fresh"), 0, 5),
        (sgd, Rewind(0, "fresh"), 1, 0),
        (adam, Rewind(0, "fresh"), 1, 5),
        (sgd, Rewind(3, "fresh"), 1, 3),
        (sgd, Rewind(3, "restored"), 1, 7),
        (sgd, Finetune(8), 1, 5),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_in_the_runs_own_order_a_branch_ends_where_the_run_has_ended(
    tmp_path: Path, optimizer: Any, reinit: Reinit, number: int, step: int
) -> None:
    """Weights, BatchNorm, optimizer, schedule, data and augmentation: all is as it was at k."""
    imp, fit = toy_run(tmp_path, reinit, optimizer=optimizer, augmentation=CropAndFlip(1))
    branch = trainings_of(imp, fit).branch(number, *start_of(imp, number), step)
    assert branch.start.first_step == step
    again = replace(fit, run_dir=RunDir(tmp_path / "again"))
    final = again(number, branch.start, branch.masks, None).final
    stored = load_tensors(imp.run_dir.round(number).final)
    assert digest(final.weights | final.buffers) == digest(stored)


def test_the_way_to_step_k_has_the_runs_own_dropout(tmp_path: Path) -> None:
    """A round that sees the dense run's batches goes on with its generators, too."""
    imp, fit = toy_run(tmp_path, Rewind(3, "restored"), ToyDropout(), fixed_order=True)
    start, masks = start_of(imp, 1)
    branch = trainings_of(imp, fit).branch(1, start, masks, 7)
    again = replace(fit, run_dir=RunDir(tmp_path / "again"))
    kept = again(1, start, masks, 7).kept
    assert kept is not None
    assert digest(branch.start.weights) == digest(kept.weights)


def test_copies_differ_in_nothing_but_their_noise(tmp_path: Path) -> None:
    imp, fit = toy_run(tmp_path, augmentation=CropAndFlip(1))
    recorders = [Recorder(), Recorder()]
    branch = trainings_of(imp, fit).branch(1, *start_of(imp, 1), 5)
    before = branch.digest
    ends = [
        trainings_of(imp, replace(fit, make_callbacks=lambda _, r=r: [r])).copy(branch, number)
        for number, r in enumerate(recorders)
    ]
    assert branch.digest == before
    one, other = recorders
    assert one.steps == other.steps == [8, 12]
    assert one.rates == other.rates
    assert one.rows != other.rows
    assert max(*one.pruned_max, *other.pruned_max) == 0.0
    for end in ends:
        for name, mask in branch.masks.items():
            assert (end.weights[name][~mask] == 0).all()
            assert (end.weights[name][mask] != 0).any()
    assert digest(ends[0].weights) != digest(ends[1].weights)


def test_each_kind_of_noise_is_the_copys_own(tmp_path: Path) -> None:
    fit = toy_fit(fixed_order=False)
    first, second = with_noise(fit, 0), with_noise(fit, 1)
    for name in ("seed", "augmentation_seed"):
        assert len({getattr(one.data_order, name) for one in (fit, first, second)}) == 3
    assert first.data_order.fixed  # one data order in all rounds, for comparing tickets with dense
    # a run with a fixed order restores its generators; copies draw their own
    imp, own = toy_run(tmp_path, Rewind(3, "restored"), ToyDropout(), fixed_order=True)
    start, masks = start_of(imp, 1)
    assert start.generators
    assert not trainings_of(imp, own).branch(1, start, masks, 3).start.generators


def test_early_stopping_does_not_cut_the_way_to_step_k(tmp_path: Path) -> None:
    """Where it could: nothing moves, so the second evaluation finds no new minimum."""
    still = partial(torch.optim.SGD, lr=0.0)
    imp, fit = toy_run(tmp_path, network=ToyDropout(), optimizer=still)
    hasty = replace(fit, evaluation=EvaluationSchedule(every=1, test_curve=False, patience=1))
    trainings, step = trainings_of(imp, hasty), NUM_STEPS - 3
    branch = trainings.branch(0, *start_of(imp, 0), step)
    trainings.copy(branch, 0)
    steps = [
        read_json(imp.run_dir.stability.training(step, name).round(0).record)["steps"]
        for name in ("own", "copy_0")
    ]
    assert steps == [step, 2]  # the copy stops as the run does

"""Rounds whose masks move: exact counts, weights that start afresh, ES, what is stored."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lottery.data import CropAndFlip
from lottery.dynamic import AcDc, Dynamic, Gmp, Moment, Quota, Rigl, Set, Span, Stage, Static
from lottery.masks import Masks, count_ones
from lottery.pruning import Criterion, Magnitude
from lottery.record.run_dir import RunDir
from lottery.signals import Stopped
from lottery.tensors import load_tensors
from lottery.training import LightningFit, Optimization
from lottery.training.mover import StoppedEarly, freshen
from lottery.training.schedules import Constant, StepDrops, Warmup
from tests.conftest import result_tables, tensor_files
from tests.helpers.stopping import stopping
from tests.helpers.toy_dynamic import ToyMlp, Watch, moves_of_run, record_of, run_dynamic
from tests.helpers.toy_runs import NUM_STEPS, Recorder, ToyDropout, ToyResNet, adam, sgd, toy_fit

RIGL = Rigl(every=4, end=0.75, fraction=0.5)
KINDS: dict[str, tuple[Dynamic, Criterion | None]] = {
    "rigl": (RIGL, None),
    "set": (Set(every=4, end=0.75, fraction=0.5), None),
    "gmp": (Gmp(every=4, begin=0, end=0.75), Magnitude()),
}
COUNTS = {"fc1.weight": 344, "fc2.weight": 57, "output.weight": 24}  # 30 % of 1416, by ERK


@pytest.mark.parametrize("name", KINDS)
def test_counts_are_exact_at_every_update_and_stand_in_dynamic_csv(
    tmp_path: Path, name: str
) -> None:
    dynamic, criterion = KINDS[name]
    run = run_dynamic(tmp_path, dynamic, criterion=criterion)
    moves, left = moves_of_run(run), count_ones(load_tensors(run.round(1).start_masks))
    steps = [move["step"] for move in moves if move["layer"] == "fc1.weight"]
    assert steps == [4, 8, 12, 16, 20, 24, 28, 32]
    for move in moves:
        left[move["layer"]] += move["grown"] - move["dropped"]
        assert move["remaining"] == left[move["layer"]]
        assert name == "gmp" or left[move["layer"]] == COUNTS[move["layer"]]
    assert count_ones(load_tensors(run.round(1).masks)) == left == COUNTS
    assert record_of(run)["row"]["remaining"] == sum(COUNTS.values()) / 1416
    header, *lines = run.dynamic_csv.read_text().splitlines()
    assert header == "round,step,layer,dropped,grown,remaining"
    assert lines == [",".join(map(str, move.values())) for move in moves]


# of 44 steps: few weights after steps 11 and 33, all of them after step 22
ACDC = AcDc(begin=0.25, phase=0.25, end=0.75)
SIZES = {"fc1.weight": 1296, "fc2.weight": 96, "output.weight": 24}


def test_acdc_has_the_last_number_or_all_weights_in_turns(tmp_path: Path) -> None:
    run = run_dynamic(tmp_path, ACDC, criterion=Magnitude())
    remaining = {
        step: {
            move["layer"]: move["remaining"] for move in moves_of_run(run) if move["step"] == step
        }
        for step in (11, 22, 33)
    }
    assert remaining == {11: COUNTS, 22: SIZES, 33: COUNTS}
    assert count_ones(load_tensors(run.round(1).masks)) == COUNTS
    assert record_of(run)["row"]["ES"] >= 33


def adagrad(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(parameters, lr=0.05, initial_accumulator_value=0.5)


@pytest.mark.parametrize(("optimizer", "fresh"), [(adam, {}), (adagrad, {"sum": 0.5})])
def test_acdc_lets_weights_come_back_as_0_with_a_fresh_optimizer(
    tmp_path: Path, optimizer: Any, fresh: dict[str, float]
) -> None:
    watch = Watch()
    fit = toy_fit(ToyMlp(), optimizer=optimizer, callbacks=[watch], block=1)
    run_dynamic(tmp_path, ACDC, fit, criterion=Magnitude())
    for name in SIZES:
        before, dense, after = (watch.seen[step] for step in (21, 22, 23))
        assert bool(before.state[name])
        state = dense.state[name]  # of the weights that stayed, too
        assert {entry: float(value.unique()) for entry, value in state.items()} == fresh
        came_back = ~before.masks[name]
        assert dense.masks[name].all()
        assert not dense.weights[name][came_back].any()
        assert name == "output.weight" or after.weights[name][came_back].any()
        assert watch.seen[33].state[name]  # pruning leaves the optimizer as it is


def test_a_schedule_begins_again_where_a_round_is_pruned(tmp_path: Path) -> None:
    recorder = Recorder()
    schedule = StepDrops((22,), 0.1)  # in the middle of 44 steps
    fit = toy_fit(ToyMlp(), schedule=schedule, callbacks=[recorder], block=1)
    gmp = Gmp(every=11, begin=0, end=0.5, restart=True)  # after steps 11 and 22
    run_dynamic(tmp_path, gmp, fit, criterion=Magnitude())
    rates = [round(rate / 0.05, 3) for rate in recorder.rates[-44:]]
    assert rates == [1.0] * 11 + [1.0] * 6 + [0.1] * 5 + [1.0] * 11 + [0.1] * 11


def test_start_is_under_the_start_masks_and_es_and_end_under_the_last(tmp_path: Path) -> None:
    run = run_dynamic(tmp_path, RIGL)
    folder = run.round(1)
    first, last = load_tensors(folder.start_masks), load_tensors(folder.masks)
    assert not torch.equal(first["fc1.weight"], last["fc1.weight"])
    for file, masks in ((folder.start, first), (folder.es, last), (folder.final, last)):
        weights = load_tensors(file)
        assert all(not weights[name][~mask].any() for name, mask in masks.items())
        assert all((weights[name] != 0).sum() > 0.9 * n for name, n in COUNTS.items())
    stayed = {name: int((mask & last[name]).sum()) for name, mask in first.items()}
    assert record_of(run)["checks"]["stayed"] == stayed
    assert stayed["fc1.weight"] < COUNTS["fc1.weight"]


def assert_grown_weights_start_afresh(path: Path, optimizer: Any = adam) -> None:
    watch = Watch()
    run_dynamic(path, RIGL, toy_fit(ToyMlp(), optimizer=optimizer, callbacks=[watch], block=1))
    for step in (4, 8, 12, 16):
        before, now, after = (watch.seen[step + more] for more in (-1, 0, 1))
        mask = now.masks["fc1.weight"]
        grown = mask & ~before.masks["fc1.weight"]
        weights, state = now.weights["fc1.weight"], now.state["fc1.weight"]
        assert grown.any()
        assert not weights[grown].any()  # -0.0 is 0
        assert state
        for value in state.values():
            assert not value[grown].any()
            assert value[mask & ~grown].any()
        assert after.weights["fc1.weight"][grown].any()
        for later in range(step, step + 4):
            seen = watch.seen[later]
            assert all(not seen.weights[name][~m].any() for name, m in seen.masks.items())


@pytest.mark.parametrize("optimizer", [adam, sgd])
def test_grown_weights_start_at_0_with_a_fresh_optimizer_state(
    tmp_path: Path, optimizer: Any
) -> None:
    assert_grown_weights_start_afresh(tmp_path, optimizer)


OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], dict[str, float]]] = {
    "momentum": (
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
        {"momentum_buffer": 0},
    ),
    "Adam": (
        lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True),
        {"exp_avg": 0, "exp_avg_sq": 0, "max_exp_avg_sq": 0},
    ),
    "Adagrad": (lambda p: torch.optim.Adagrad(p, initial_accumulator_value=0.5), {"sum": 0.5}),
    "Rprop": (lambda p: torch.optim.Rprop(p, lr=0.25), {"prev": 0, "step_size": 0.25}),
    "SGD": (lambda p: torch.optim.SGD(p, lr=0.1), {}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_fresh_state_is_that_of_a_weight_that_has_made_no_step(name: str) -> None:
    make, expected = OPTIMIZERS[name]
    weight = nn.Parameter(torch.ones(2, 2))
    optimizer = make([weight])
    for _ in range(2):
        weight.grad = torch.full((2, 2), 3.0)
        optimizer.step()
    state = optimizer.state[weight]
    before = {k: v.clone() for k, v in state.items() if isinstance(v, torch.Tensor) and v.dim()}
    grown = torch.tensor([[True, False], [False, False]])
    freshen(optimizer, Optimization(make, Constant()), {"w": weight}, {"w": grown})
    assert before.keys() == expected.keys()
    for entry, value in before.items():
        assert float(state[entry][0, 0]) == expected[entry] != float(value[0, 0])
        assert torch.equal(state[entry][~grown], value[~grown])


@dataclass(frozen=True)
class LooksOnly(Static):
    """Takes dense gradients, and moves nothing."""

    def steps(self, span: Span) -> list[int]:
        return [2, 4, 6, 8]

    def quota(self, stage: Stage) -> Quota:
        none = dict.fromkeys(stage.alive, 0)
        return Quota(none, none)

    def __call__(self, moment: Moment) -> Masks:
        for name, gradient in moment.gradients().items():
            pruned = ~moment.trained.masks[name]
            assert gradient[pruned].any() == pruned.any()
        return moment.trained.masks


@pytest.mark.parametrize("network", [ToyResNet, ToyDropout])
def test_a_dense_gradient_changes_neither_weights_nor_statistics_nor_random_numbers(
    tmp_path: Path, network: type[nn.Module]
) -> None:
    for name, dynamic in {"looks": LooksOnly(0.1), "none": None}.items():
        fit = toy_fit(network(), augmentation=CropAndFlip(1), clip_norm=0.1)
        run_dynamic(tmp_path / name, dynamic, fit, num_steps=NUM_STEPS)
    looks, none = (tensor_files(tmp_path / name) for name in ("looks", "none"))
    assert none.items() <= looks.items()


def test_es_is_the_first_minimum_from_the_step_on_from_which_masks_stay(tmp_path: Path) -> None:
    fit = toy_fit(ToyMlp(), optimizer=adam)
    patient = replace(fit, evaluation=replace(fit.evaluation, patience=1))
    for name, chosen in (("whole", fit), ("patient", patient)):
        record = record_of(run_dynamic(tmp_path / name, RIGL, chosen, every=1))
        val = [entry for entry in record["history"] if entry["split"] == "val"]
        assert [entry["iteration"] for entry in val][:40] == list(range(1, 41))[: len(val)]
        late = [entry for entry in val if entry["iteration"] >= 33]  # 0.75 of 44
        lowest = min(entry["loss"] for entry in late)
        assert record["row"]["ES"] == next(e["iteration"] for e in late if e["loss"] == lowest)
        assert record["row"]["steps"] >= 34


def test_static_is_the_training_without_a_dynamic(tmp_path: Path) -> None:
    static = run_dynamic(tmp_path / "static", Static(0.75))
    plain = run_dynamic(tmp_path / "plain", None)
    for split in ("train", "val"):  # the test set is measured where ES may be
        one, other = (
            [entry for entry in record_of(run)["history"] if entry["split"] == split]
            for run in (static, plain)
        )
        assert one == other
    for file in ("masks", "start", "final"):
        one, other = (getattr(run.round(1), file).read_bytes() for run in (static, plain))
        assert one == other
    assert record_of(static)["row"]["ES"] >= 33
    assert static.dynamic_csv.read_text() == "round,step,layer,dropped,grown,remaining\n"
    assert not plain.dynamic_csv.exists()


@dataclass(frozen=True)
class Resumed:
    """A round of 12 steps, evaluated every 4, and where it is stopped."""

    dynamic: Dynamic
    criterion: Criterion | None
    fit: Callable[[], LightningFit]
    updates: list[int]
    stops: tuple[int, ...]


EVERY_3 = Rigl(every=3, end=0.75, fraction=0.5)
RISING = Warmup(steps=8, at=(10,), factor=0.1)
RESUMED = {
    "rigl, Adam": Resumed(
        EVERY_3, None, lambda: toy_fit(ToyMlp(), optimizer=adam), [3, 6], (2, 3, 4, 6, 7)
    ),
    "rigl, momentum, BatchNorm": Resumed(
        EVERY_3,
        None,
        lambda: toy_fit(ToyResNet(), augmentation=CropAndFlip(1)),
        [3, 6],
        (2, 3, 4, 6, 7),
    ),
    "gmp, whose schedule begins again": Resumed(
        Gmp(every=3, begin=0, end=0.75, restart=True),
        Magnitude(),
        lambda: toy_fit(ToyMlp(), optimizer=adam, schedule=RISING),
        [3, 6, 9],
        (3, 4),
    ),
    "acdc, dense after steps 4 and 8": Resumed(
        AcDc(begin=2 / 12, phase=2 / 12, end=10 / 12),
        Magnitude(),
        lambda: toy_fit(ToyMlp(), optimizer=adam),
        [2, 4, 6, 8, 10],
        (3, 4, 5),
    ),
}


def assert_equal_runs(run: RunDir, whole: RunDir) -> None:
    assert run.dynamic_csv.read_bytes() == whole.dynamic_csv.read_bytes()
    assert result_tables(run.path) == result_tables(whole.path)
    assert tensor_files(run.path) == tensor_files(whole.path)
    assert not list(run.path.glob("rounds/*/checkpoint.pt"))


@pytest.mark.parametrize("name", RESUMED)
def test_a_round_stopped_between_and_at_updates_is_never_stopped(
    tmp_path: Path, name: str
) -> None:
    case = RESUMED[name]

    def run(path: Path, fit: LightningFit) -> RunDir:
        criterion = case.criterion
        return run_dynamic(path, case.dynamic, fit, criterion=criterion, num_steps=NUM_STEPS)

    whole = run(tmp_path / "whole", case.fit())
    assert sorted({move["step"] for move in moves_of_run(whole)}) == case.updates
    for step in case.stops:
        path = tmp_path / f"stopped_{step}"
        with pytest.raises(Stopped):
            run(path, stopping(case.fit(), 1, step))
        assert RunDir(path).round(1).checkpoint.exists()
        assert_equal_runs(run(path, case.fit()), whole)


def test_the_size_of_blocks_changes_nothing(tmp_path: Path) -> None:
    runs = [
        run_dynamic(tmp_path / str(block), RIGL, toy_fit(ToyMlp(), block=block))
        for block in (1, 3, 50)
    ]
    for run in runs[:2]:
        assert_equal_runs(run, runs[2])


class Ends(pl.Callback):
    """A user's callback that ends a training."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        trainer.should_stop = pl_module.step >= 8


def test_a_round_that_a_callback_ends_too_early_is_no_result(tmp_path: Path) -> None:
    fit = toy_fit(ToyMlp(), callbacks=[Ends()])
    with pytest.raises(StoppedEarly, match=r"^round 1: a callback has ended it after step 8; "):
        run_dynamic(tmp_path, RIGL, fit)
    assert not RunDir(tmp_path).round(1).finished


def test_a_second_round_goes_on_from_the_masks_that_the_first_one_ended_with(
    tmp_path: Path,
) -> None:
    run = run_dynamic(tmp_path, RIGL, rounds=(0, 1, 2))
    first, second = load_tensors(run.round(1).masks), load_tensors(run.round(2).start_masks)
    assert all(not (mask & ~first[name]).any() for name, mask in second.items())
    assert sum(count_ones(second).values()) == 127  # 30 % of 425

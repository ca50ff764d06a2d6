"""Several processes: if one fails or is stopped, all end at the same step; then they carry on."""

import dataclasses
import signal
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from lottery.config import ProcessRank
from lottery.imp import BrokenInvariant, run_rounds
from lottery.record.run_dir import RunDir
from lottery.signals import Stopped
from lottery.training import Diverged, module
from tests.conftest import result_tables, snapshot, tensor_files
from tests.helpers.ranks import on_ranks
from tests.helpers.toy_runs import (
    NUM_STEPS,
    ToyDraws,
    ToyDropout,
    toy_fit,
    toy_imp,
)


@dataclasses.dataclass
class PlantedPruner:
    """Prunes one weight in another place on rank 1."""

    inner: Any
    rank: int
    nested = True

    def __call__(self, trained: Any) -> Any:
        masks = self.inner(trained)
        if self.rank == 1:
            flat = masks["output.weight"].flatten()
            kept, pruned = int(flat.nonzero()[0]), int((~flat).nonzero()[0])
            flat[kept], flat[pruned] = False, True
        return masks

    def expected(self, trained: Any) -> Any:
        return self.inner.expected(trained)

    def count(self, masks: Any) -> Any:
        return self.inner.count(masks)


def _run_planted(process: ProcessRank, path: Path) -> None:
    pruner = toy_imp(path, toy_fit(ToyDropout())).pruning.pruner
    planted = PlantedPruner(pruner, process.rank)
    run_rounds(toy_imp(path, toy_fit(ToyDropout()), prune=planted))


def test_masks_that_differ_on_one_rank_are_named(tmp_path: Path) -> None:
    for error in on_ranks(3, _run_planted, tmp_path):
        assert isinstance(error, BrokenInvariant)
        assert str(error) == "round 1: the masks of rank 1 differ from rank 0's"
    assert not RunDir(tmp_path).round(1).masks.exists()
    assert RunDir(tmp_path).round(0).finished


def _run_planted_on_main(process: ProcessRank, path: Path) -> None:
    pruner = toy_imp(path, toy_fit(ToyDropout())).pruning.pruner
    planted = PlantedPruner(pruner, process.rank)
    run_rounds(toy_imp(path, toy_fit(ToyDropout()), prune=planted, scored_on_main=True))


def test_scores_that_differ_by_gpu_are_those_of_rank_0(tmp_path: Path) -> None:
    assert on_ranks(2, _run_planted_on_main, tmp_path) == [None, None]


class Nan(pl.Callback):
    """Spoils one rank's training data before its first step."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.global_rank == self.rank:
            pl_module.train_split.inputs.fill_(float("nan"))


def _diverge(process: ProcessRank, path: Path) -> None:
    run_rounds(toy_imp(path, toy_fit(ToyDropout(), callbacks=[Nan(1)])))


def test_a_loss_that_is_nan_on_one_rank_ends_all(tmp_path: Path) -> None:
    for error in on_ranks(2, _diverge, tmp_path):
        assert isinstance(error, Diverged)
        assert str(error).startswith("round 0, step 1: the training loss is nan")


class StopAt(pl.Callback):
    """A signal that reaches one rank only, in the middle of a round."""

    def __init__(self, step: int, request: Any) -> None:
        self.step = step
        self.request = request

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if pl_module.step + 1 == self.step:
            self.request.signum = signal.SIGTERM


def _stop_once(process: ProcessRank, path: Path, step: int) -> None:
    fit = toy_fit(ToyDraws(), block=1)
    if process.rank == 1:
        stopping = StopAt(step, fit.stop)
        fit = dataclasses.replace(fit, make_callbacks=lambda number: [stopping])
    run_rounds(toy_imp(path, fit))


class SignalInForward(ToyDropout):
    """A signal reaches one rank during a step, in the middle of a block."""

    def __init__(self) -> None:
        super().__init__()
        self.request: Any = None
        self.steps = 0

    def forward(self, inputs: Any) -> Any:
        self.steps += self.training
        if self.request and self.steps == 6:
            self.request.signum = signal.SIGTERM
        return super().forward(inputs)


def _stop_within_block(process: ProcessRank, path: Path) -> None:
    network = SignalInForward()
    fit = toy_fit(network, block=50)
    if process.rank == 1:
        network.request = fit.stop
    run_rounds(toy_imp(path, fit))


def test_ranks_stop_within_a_block_of_slow_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They ask each other every few seconds; here after every step."""
    monkeypatch.setattr(module, "QUESTION_SECONDS", 0)
    for error in on_ranks(2, _stop_within_block, tmp_path):
        assert str(error) == "stopped by SIGTERM in round 0 at step 6"


@pytest.mark.parametrize("step", [4, 6, NUM_STEPS])  # with an evaluation, without, the last
def test_all_ranks_stop_at_one_step_and_carry_on_exactly(tmp_path: Path, step: int) -> None:
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    assert on_ranks(2, _run_undisturbed, whole) == [None, None]
    for error in on_ranks(2, _stop_once, stopped, step):
        assert isinstance(error, Stopped)
        where = f"round 0 at step {step}" if step < NUM_STEPS else "round 1 at step 1"
        assert str(error) == f"stopped by SIGTERM in {where}"
    assert on_ranks(2, _run_undisturbed, stopped) == [None, None]
    assert result_tables(stopped) == result_tables(whole)
    assert tensor_files(stopped) == tensor_files(whole)
    assert snapshot(stopped).keys() == snapshot(whole).keys()  # no checkpoint is left


def _run_undisturbed(process: ProcessRank, path: Path) -> None:
    run_rounds(toy_imp(path, toy_fit(ToyDraws(), block=1)))

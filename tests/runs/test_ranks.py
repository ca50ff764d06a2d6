"""Several processes train one network as one process would; only rank 0 writes."""

import os
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from lottery.config import ConfigError, ProcessRank, prepare
from lottery.config.device import synchronized
from lottery.config.loggers import build_loggers
from lottery.data import Splits
from lottery.imp import run_rounds
from lottery.measure.evaluate import evaluate, measure_further
from lottery.models.synced_batchnorm import SyncedBatchNorm
from lottery.record.run_dir import RunDir
from lottery.record.score import ACCURACY
from lottery.runs.lifecycle import open_run_folder
from lottery.runs.process_group import ends_at_once, joined
from lottery.runs.run_lock import RunLocked, locked
from lottery.runs.workers import train_rounds
from lottery.tasks import Classification
from lottery.tensors import load_tensors
from lottery.training import Device
from tests.conftest import Lottery
from tests.helpers import ranks
from tests.helpers.experiments import composed
from tests.helpers.ranks import on_ranks
from tests.helpers.torchrun import free_port
from tests.helpers.toy_runs import (
    BATCH,
    NUM_STEPS,
    Recorder,
    ToyDropout,
    ToyResNet,
    toy_fit,
    toy_imp,
    toy_splits,
)


def _record_rows(process: ProcessRank, path: Path) -> list[int]:
    recorder = Recorder()
    run_rounds(toy_imp(path, toy_fit(ToyDropout(), callbacks=[recorder], block=1)))
    return recorder.rows


@pytest.mark.parametrize("number", [2, 3])
def test_at_each_step_the_ranks_share_the_batch_of_one_process(
    tmp_path: Path, number: int
) -> None:
    alone = _record_rows(ProcessRank(), tmp_path / "alone")
    by_rank = on_ranks(number, _record_rows, tmp_path / "ranks")
    assert len(alone) == 3 * NUM_STEPS
    for step, batch in enumerate(alone):
        shares = [rows[step] for rows in by_rank]
        assert [
            row for share in shares for row in share
        ] == batch  # in order: no example twice, and none missing
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        assert len(set(batch)) == BATCH


class Counting(nn.Module):
    """Knows the example by its first pixel, predicts class 1 of 3, and counts what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[float] = Counter()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.seen.update(inputs[:, 0, 0, 0].tolist())
        return torch.tensor([0.0, 1.0, 0.0]).repeat(len(inputs), 1)


def _evaluate(process: ProcessRank) -> tuple[Counter[float], float, float, dict[str, float]]:
    network, splits, task = Counting(), toy_splits(), Classification()
    done = evaluate(network, splits.val, loss=nn.functional.cross_entropy, task=task)
    return network.seen, done.loss, done.score, measure_further(nn.Flatten(), _flat(), task)


def _flat() -> Splits:
    """Return the toy data with three numbers of each image as inputs, which stand for logits."""
    return toy_splits().changed(lambda split: replace(split, inputs=split.inputs[:, :, 0, 0]))


@pytest.mark.parametrize("number", [2, 7, 31])  # of 30 examples: with 31 ranks, one has none
def test_every_example_is_evaluated_once(number: int) -> None:
    alone = _evaluate(ProcessRank())
    by_rank = on_ranks(number, _evaluate)
    seen = sum((seen for seen, *_ in by_rank), Counter())
    if number == 31:  # one rank runs the first example to know what its outputs look like
        seen[float(toy_splits().val.inputs[0, 0, 0, 0])] -= 1
    assert seen == alone[0]
    assert set(alone[0].values()) == {1}
    for _, loss, accuracy, further in by_rank:
        assert loss == pytest.approx(alone[1], rel=1e-6)
        assert (accuracy, further) == (alone[2], alone[3])


def _train(process: ProcessRank, config: dict[str, Any], path: Path) -> None:
    experiment = prepare(config, path, process)
    with locked(path / f"lock_{process.rank}", wait=False) as ownership:
        train_rounds(experiment, ownership)


def _digits(*overrides: str) -> dict[str, Any]:
    return composed(*overrides, "logger=none")


WITH_BATCHNORM = ("model=resnet", "model.depth=8", "iterations=4", "evaluation.every=2")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (2, ("iterations=60", "evaluation.every=20")),
        (7, ("iterations=60", "evaluation.every=20")),
        (2, WITH_BATCHNORM),
    ],
)
def test_ranks_agree_with_one_process_to_1e_9(
    tmp_path: Path, number: int, words: tuple[str, ...]
) -> None:
    asked = ("trainer.precision=64-true", "rounds=1", *words)
    one, many = tmp_path / "one", tmp_path / "many"
    _train(ProcessRank(), _digits(*asked), one)
    results = on_ranks(
        number, _train, _digits(*asked, "trainer=ddp_cpu", f"trainer.devices={number}"), many
    )
    assert results == [None] * number
    for name in ("masks", "start", "es", "final"):
        here, there = (load_tensors(getattr(RunDir(p).round(1), name)) for p in (one, many))
        assert here.keys() == there.keys()
        for key, tensor in here.items():
            assert float((tensor.double() - there[key].double()).abs().max()) < 1e-9, key


def test_ranks_score_by_gradients_what_one_process_scores(tmp_path: Path) -> None:
    """Every rank on the same examples: the masks agree, and are those of one process."""
    asked = ("criterion=grasp", "pruning.at=init", "rounds=1", "iterations=4")
    one, many = tmp_path / "one", tmp_path / "many"
    _train(ProcessRank(), _digits(*asked), one)
    ranks = _digits(*asked, "trainer=ddp_cpu", "trainer.devices=2")
    assert on_ranks(2, _train, ranks, many) == [None] * 2
    assert RunDir(one).round(1).masks.read_bytes() == RunDir(many).round(1).masks.read_bytes()


def _run_in_own_folder(process: ProcessRank, path: Path) -> None:
    run_rounds(toy_imp(path / str(process.rank), toy_fit(ToyDropout())))


def test_rank_0_alone_writes(tmp_path: Path) -> None:
    assert on_ranks(2, _run_in_own_folder, tmp_path) == [None, None]
    assert (tmp_path / "0" / "results.csv").exists()
    assert not (tmp_path / "1").exists()


class Unused(ToyDropout):
    """A network with a layer that its output does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(2, 2)


def _run_unused(process: ProcessRank, path: Path) -> None:
    run_rounds(toy_imp(path, toy_fit(Unused()), rounds=(0,)))


def test_parameters_that_are_not_used_do_not_stop_the_ranks(tmp_path: Path) -> None:
    assert on_ranks(2, _run_unused, tmp_path) == [None, None]


def _logger_names(process: ProcessRank, path: Path) -> list[str]:
    node = {"_target_": "pytorch_lightning.loggers.CSVLogger", "save_dir": str(path)}
    loggers = build_loggers({"csv": node}, RunDir(path), outputs=path, settings={}, score=ACCURACY)
    with loggers.round(0, {"fc": torch.ones(2)}) as made:
        return [type(logger).__name__ for logger in made]


def test_every_rank_has_loggers_and_one_writes(tmp_path: Path) -> None:
    assert on_ranks(2, _logger_names, tmp_path) == [["CSVLogger"], ["DummyLogger"]]


def test_batchnorm_of_several_processes_sees_the_whole_batch() -> None:
    kind = {"precision": "32-true", "deterministic": True, "compile": False, "block": 50}
    network, several = ToyResNet(), {**kind, "num_devices": 2}
    assert synchronized(network, Device("cpu", **kind)) is network
    assert synchronized(network, Device("cpu", **several, sync_batchnorm=False)) is network
    assert isinstance(network.norm1, nn.BatchNorm2d)
    assert isinstance(synchronized(network, Device("cpu", **several)).norm1, SyncedBatchNorm)
    assert list(network.state_dict()) == list(ToyResNet().state_dict())


def _own_statistics(process: ProcessRank, path: Path) -> None:
    run_rounds(toy_imp(path, toy_fit(ToyResNet())))


def test_ranks_with_own_statistics_end_with_rank_0s_averages(tmp_path: Path) -> None:
    """The check of every round compares the buffers of all ranks."""
    assert on_ranks(2, _own_statistics, tmp_path) == [None, None]


def test_a_network_that_is_not_there() -> None:
    device = Device("cpu", "32-true", True, False, 50, num_devices=2, interface="nope0")
    expected = r"^trainer.interface=nope0: no such network here: .*\blo\b"
    with (
        pytest.raises(ConfigError, match=expected),
        joined(ProcessRank(processes=2), device),
    ):
        pass


def _open_first(process: ProcessRank, config: dict[str, Any], path: Path, port: int) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with open_run_folder(prepare(config, path, ProcessRank(processes=2)), wait=False):
        pass


def test_rank_0_is_refused_though_the_others_never_come(tmp_path: Path) -> None:
    config = _digits("trainer=ddp_cpu", "trainer.timeout=1")
    with locked(tmp_path, wait=False):
        (refusal,) = on_ranks(1, _open_first, config, tmp_path, free_port())
    assert isinstance(refusal, RunLocked)
    assert str(refusal).endswith("is working here; wait for it to end")


def _end(code: int | str | None, meeting: Path | None) -> None:
    if meeting:
        store = dist.FileStore(str(meeting), 1)
        dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        with ends_at_once():
            sys.exit(code)
    finally:
        os._exit(9)  # Python has begun to clean up


@pytest.mark.parametrize(("code", "ends_with"), [(2, 2), (0, 0), ("text", 9)])
def test_no_clean_up_where_a_group_is_left(
    tmp_path: Path, code: int | str, ends_with: int
) -> None:
    fork = get_context("fork")
    for meeting, expected in ((tmp_path / "meeting", ends_with), (None, 9)):
        process = fork.Process(target=_end, args=(code, meeting))
        process.start()
        process.join()
        assert process.exitcode == expected


def _wait_for_lock(process: ProcessRank, config: dict[str, Any], path: Path) -> bool:
    there = replace(process, processes=1)  # it has met the others already
    with open_run_folder(prepare(config, path, there), wait=True) as ownership:
        return ownership is not None


def test_ranks_wait_for_a_lock_longer_than_for_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "CPUS", replace(ranks.CPUS, timeout=8))
    with ExitStack() as held:
        held.enter_context(locked(tmp_path, wait=False))
        timer = Timer(12, held.close)
        timer.start()
        assert on_ranks(2, _wait_for_lock, _digits(), tmp_path) == [True, True]
        timer.join()


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ("trainer=ddp_cpu", "dataset.batch_size=1"),
            "error: dataset.batch_size=1: at least one example for each of the 2 devices",
        ),
        (
            ("trainer=ddp_cpu", "trainer.num_nodes=2"),
            "error: trainer.devices=2, trainer.num_nodes=2: needs one task per device, from SLURM "
            "or torchrun",
        ),
        (
            ("trainer.devices=0",),
            "error: trainer.devices=0: a whole number >= 1 and <= 1000000000",
        ),
        (
            ("checkpoint.every_seconds=0",),
            "error: checkpoint.every_seconds=0: a number above 0, or null",
        ),
    ],
)
def test_mistakes_are_one_line(
    lottery: Lottery, overrides: tuple[str, ...], expected: str
) -> None:
    done = lottery(*overrides)
    assert (done.code, done.out, done.err) == (2, "", expected + "\n")


def test_tasks_of_slurm_that_do_not_fit_the_devices(
    lottery: Lottery, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PROCID": 0, "LOCALID": 0, "NODEID": 0, "STEP_NUM_TASKS": 4}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    done = lottery("trainer=ddp_cpu")
    assert done.err == (
        "error: trainer.devices=2, trainer.num_nodes=1: 4 tasks were started; one per device\n"
    )
    assert lottery("rounds=0", "iterations=10").code == 0  # four runs at once
    monkeypatch.delenv("SLURM_PROCID")
    done = lottery("trainer=ddp_cpu")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: trainer.devices: a variable that SLURM or torchrun sets is")

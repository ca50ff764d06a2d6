"""Several processes with a GPU each train one network, as one process would."""

import time
from pathlib import Path

import pytest
import torch

from lottery.config import ProcessRank
from lottery.models.synced_batchnorm import SyncedBatchNorm
from lottery.record.records import read_run_json
from lottery.record.run_dir import RunDir
from lottery.tensors import load_tensors
from tests.helpers.gpu_runs import kill_in_first_round, results, run, tensors_of, train
from tests.helpers.gpus import Gpus
from tests.helpers.locks import assert_free
from tests.helpers.ranks import on_ranks

DDP = ("trainer=ddp", "trainer.devices=2")
LONGER = ("iterations=20", "evaluation.every=10")


@pytest.fixture
def pair(gpus: Gpus) -> Gpus:
    """Skip the test where there is one GPU only."""
    if gpus.number < 2:
        pytest.skip("one GPU; two are needed")
    return gpus


def _largest_difference(one: Path, other: Path, number: int) -> float:
    largest = 0.0
    for here, there in zip(tensors_of(one, number), tensors_of(other, number), strict=True):
        ours, theirs = load_tensors(here), load_tensors(there)
        assert ours.keys() == theirs.keys()
        differences = [(ours[n].double() - theirs[n].double()).abs().max() for n in ours]
        largest = max(largest, *map(float, differences))
    return largest


def test_two_ranks_train_what_one_trains(pair: Gpus, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    asked = (*LONGER, "criterion=snip", "trainer.precision=64-true", "optimizer.clip_norm=0.1")
    assert on_ranks(1, train, one, "trainer=gpu", *asked, gpus=pair) == [None]
    assert on_ranks(2, train, two, *DDP, *asked, gpus=pair) == [None] * 2
    assert _largest_difference(one, two, 1) < 1e-9


def _batchnorm_waits(process: ProcessRank) -> int:
    layer = SyncedBatchNorm.of(torch.nn.BatchNorm1d(3)).cuda()
    inputs = torch.rand(4, 3, device=torch.device("cuda", process.rank), requires_grad=True)
    before = torch.ops.emulated_gpu.num_waits()
    layer(inputs).sum().backward()
    return int(torch.ops.emulated_gpu.num_waits() - before)


def test_the_host_waits_for_no_batchnorm(pair: Gpus) -> None:
    if not pair.emulated:
        pytest.skip("only the emulated GPU counts the waits")
    assert on_ranks(2, _batchnorm_waits, gpus=pair) == [0, 0]


@pytest.mark.parametrize("statistics", ["true", "false"])
def test_ranks_agree_on_batchnorm(pair: Gpus, tmp_path: Path, statistics: str) -> None:
    """The check of every round says so: together or each its own, the averages are equal."""
    small = ("model=resnet", "model.depth=8", "iterations=2", "evaluation.every=1", "rounds=0")
    synchronized = f"trainer.sync_batchnorm={statistics}"
    assert on_ranks(2, train, tmp_path, *DDP, *small, synchronized, gpus=pair) == [None] * 2


BF16 = (
    *(*DDP, "trainer.precision=bf16-mixed", "trainer.block=2", "optimizer=sgd"),
    *("iterations=30", "evaluation.every=15", "dataset.batch_size=20"),
)


def test_a_killed_command_ends_as_one_that_was_not(pair: Gpus, tmp_path: Path) -> None:
    """It starts a process for each GPU; they die with it."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    kill_in_first_round(pair, killed, BF16)
    assert_free(killed, wait=True)  # forks of the killed one, which have its lock, are gone
    assert on_ranks(1, run, (killed, BF16), (whole, BF16), gpus=pair) == [None]
    assert results(killed) == results(whole)
    entry = read_run_json(RunDir(whole))
    assert (entry["status"], entry["machine"]["devices"]) == ("finished", 2)


def _fail_on_rank_1(process: ProcessRank) -> None:
    tensor = torch.zeros(3, device=torch.device("cuda", process.rank))
    if process.rank == 1:
        raise ValueError("out of memory")
    torch.distributed.all_reduce(tensor)  # which rank 1 never joins


def test_an_error_is_told_before_the_others_are_waited_for(pair: Gpus) -> None:
    """NCCL's clean-up may wait for the other ranks, and the emulated one's does."""
    begun = time.monotonic()
    waiting, failed = on_ranks(2, _fail_on_rank_1, gpus=pair)
    assert str(failed) == "out of memory"
    assert isinstance(waiting, Exception)
    assert time.monotonic() - begun < 50  # seconds; the ranks wait 60 for one another


def _own_gpu(process: ProcessRank, folder: Path, *overrides: str) -> None:
    torch.cuda.device_count = lambda: 1
    train(process, folder, *overrides)


def test_tasks_that_see_one_gpu_each(pair: Gpus, tmp_path: Path) -> None:
    """SLURM may show every task its own GPU alone, which then has the number 0."""
    if not pair.emulated:
        pytest.skip("both ranks would use one GPU, which NCCL refuses")
    assert on_ranks(2, _own_gpu, tmp_path, *DDP, gpus=pair, num_devices=1) == [None] * 2

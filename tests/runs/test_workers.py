"""Real worker processes: started once per run, in sweeps, by torchrun, from Python."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from lottery import load_run
from lottery.runs import lifecycle
from tests.conftest import Lottery, environment

DDP = ("trainer=ddp_cpu", "trainer.precision=64-true", "logger=none")


@pytest.mark.usefixtures("forked_workers")
def test_a_sweep_with_a_failed_job_and_changing_devices(lottery: Lottery) -> None:
    done = lottery(
        *("-m", "trainer.accelerator=cpu", "logger=none", "iterations=20", "evaluation.every=10"),
        *("trainer.precision=64-true", "optimizer.lr=1e300,0.0012", "rounds=1,2"),
        "trainer.devices=${rounds}",
    )
    assert done.code == 1
    jobs = pd.read_csv(done.run / "jobs.csv")
    assert list(jobs["status"]) == ["failed", "failed", "finished", "finished"], done.err
    assert list(jobs["round"].dropna()) == [1, 2]
    for message in jobs["message"][:2]:
        assert re.match(r"round 0, step \d+: the (training|validation) loss is", message), message
    assert "Traceback" not in done.err
    alone = lottery(
        *("trainer.accelerator=cpu", "logger=none", "iterations=20", "evaluation.every=10"),
        *("trainer.precision=64-true", "rounds=2", "output_dir=alone"),
    )
    mixed = load_run(jobs["run"][3])
    for name, mask in load_run(alone.run).masks(2).items():
        assert torch.equal(mixed.masks(2)[name], mask)


RAISES_ON_RANK_1 = """
from pytorch_lightning import Callback

class Raises(Callback):
    def on_train_start(self, trainer, pl_module):
        if trainer.global_rank == 1:
            raise ValueError("my own bug")
"""


@pytest.mark.usefixtures("forked_workers")
def test_an_error_on_one_rank_keeps_its_traceback(
    lottery: Lottery, write_module: Callable[[str, str], Path]
) -> None:
    write_module("mine", RAISES_ON_RANK_1)
    done = lottery(*DDP, "rounds=0", "iterations=20", "+callbacks.mine._target_=mine.Raises")
    assert done.code == 1
    assert "RuntimeError: rank 1: ValueError: my own bug" in done.err
    assert 'raise ValueError("my own bug")' in done.err


def test_a_run_whose_workers_leave_early_is_not_finished(
    lottery: Lottery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "train_in_workers", lambda *_: None)
    done = lottery(*DDP, "rounds=0")
    assert done.code == 1
    assert "error: a process of the run has ended before all rounds were done" in done.err


def test_processes_of_torchrun_are_used_as_they_are(folder: Path) -> None:
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "lottery"),
        *(*DDP, "rounds=1", "iterations=20", "evaluation.every=10"),
    ]
    first, again = (
        subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=100, check=False
        )
        for _ in range(2)
    )
    assert first.returncode == 0, first.stderr
    # one process prints the table, the report and the folder
    assert len(first.stdout.splitlines()) == 5
    assert (again.returncode, again.stdout) == (0, first.stdout)


def test_several_devices_from_python(lottery: Lottery, folder: Path) -> None:
    """In a process that has imported torch and trained: the workers are new ones."""
    from lottery import run

    first = run(*DDP, "rounds=0", "iterations=20", "trainer.devices=2")
    assert list(first.results["round"]) == [0]
    assert "LOCAL_RANK" not in os.environ

"""Real worker processes: started once per run, in sweeps, from Python."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from lottery import load_run
from lottery.runs import lifecycle
from tests.conftest import Lottery

DDP = ("trainer=ddp_cpu", "trainer.precision=64-true", "logger=none")
ON_CPU = ("trainer.accelerator=cpu", "trainer.precision=64-true", "logger=none")
SHORT = ("iterations=20", "evaluation.every=10")


@pytest.mark.usefixtures("forked_workers")
def test_a_sweep_with_a_failed_job_and_changing_devices(lottery: Lottery) -> None:
    done = lottery(
        "-m",
        *ON_CPU,
        *SHORT,
        "optimizer.lr=1e300,0.0012",
        "rounds=1,2",
        "trainer.devices=${rounds}",
    )
    assert done.code == 1
    jobs = pd.read_csv(done.run / "jobs.csv")
    assert list(jobs["status"]) == ["failed", "failed", "finished", "finished"], done.err
    assert list(jobs["round"].dropna()) == [1, 2]
    for message in jobs["message"][:2]:
        assert re.match(r"round 0, step \d+: the (training|validation) loss is", message), message
    assert "Traceback" not in done.err
    alone = lottery(*ON_CPU, *SHORT, "rounds=2", "output_dir=alone")
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


def test_several_devices_from_python(lottery: Lottery, folder: Path) -> None:
    """This process has imported torch and trained already: its workers are new processes."""
    from lottery import run

    first = run(*DDP, "rounds=0", "iterations=20", "trainer.devices=2")
    assert list(first.results["round"]) == [0]
    assert "LOCAL_RANK" not in os.environ

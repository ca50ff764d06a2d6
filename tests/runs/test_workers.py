"""Real worker processes: started once per run, in sweeps, by torchrun, from Python."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from lottery import load_run
from lottery.runs import lifecycle
from tests.conftest import Done, Lottery
from tests.helpers.forked import be_the_command, print_to

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


def _be_process_of_torchrun(*arguments: str) -> Done:
    """Be one of torchrun's processes; they are forks, which need not import Lightning.

    Each prints to files of its own: pytest's are shared by all forks, and who reads them first
    empties them for the others.
    """
    out, err = (Path(f"{name}_{os.environ['RANK']}.txt") for name in ("stdout", "stderr"))
    print_to(out, err)
    code = 0
    try:
        be_the_command(*arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return Done(code, out.read_text(), err.read_text())


@pytest.fixture
def own_signal_handlers() -> Iterator[None]:
    """Take back the handlers that torchrun sets in its own process and leaves there."""
    signals = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
    before = {signum: signal.getsignal(signum) for signum in signals}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.usefixtures("own_signal_handlers")
def test_processes_of_torchrun_are_used_as_they_are(folder: Path) -> None:
    torchrun = elastic_launch(
        LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=2,
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            start_method="fork",
            max_restarts=0,
        ),
        _be_process_of_torchrun,
    )
    first, again = (torchrun(*DDP, *SHORT, "rounds=1") for _ in range(2))
    assert (first[0].code, first[1].code) == (0, 0), first[0].err
    # one process prints the table and the folder
    assert (len(first[0].out.splitlines()), first[1].out) == (4, "")
    assert (again[0].code, again[0].out) == (0, first[0].out)
    assert (again[1].code, again[1].out) == (0, "")


def test_several_devices_from_python(lottery: Lottery, folder: Path) -> None:
    """This process has imported torch and trained already: its workers are new processes."""
    from lottery import run

    first = run(*DDP, "rounds=0", "iterations=20", "trainer.devices=2")
    assert list(first.results["round"]) == [0]
    assert "LOCAL_RANK" not in os.environ

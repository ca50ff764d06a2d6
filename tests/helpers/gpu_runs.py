"""Runs in a process that sees GPUs; `on_ranks` calls these functions there."""

import os
import sys
import time
from multiprocessing.context import ForkProcess, SpawnContext
from pathlib import Path

from lottery.cli import stability as stability_command
from lottery.cli import ticket as ticket_command
from lottery.config import ProcessRank, prepare
from lottery.record.run_dir import RunDir
from lottery.runs.lifecycle import run_experiment
from lottery.runs.run_lock import locked
from lottery.runs.workers import train_rounds
from lottery.ticket import verify
from tests.conftest import TABLES, tensor_files
from tests.helpers.experiments import composed
from tests.helpers.forked import be_the_command
from tests.helpers.gpus import Gpus

TINY = ("rounds=1", "iterations=4", "evaluation.every=4", "logger=none", "trainer.threads=1")


def run(process: ProcessRank, *runs: tuple[Path, tuple[str, ...]]) -> None:
    """Do whole runs, folder by folder, as the command does them."""
    for folder, overrides in runs:
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        if "tests.helpers.emulated_gpu" in sys.modules:
            SpawnContext.Process = ForkProcess  # a process that is spawned has no emulated GPU
        experiment = prepare(composed(*TINY, *overrides), folder, ProcessRank())
        run_experiment(experiment, wait=False)


def kill_in_first_round(gpus: Gpus, folder: Path, overrides: tuple[str, ...]) -> None:
    """Begin a run in a process of its own, and kill it by -9 when round 0 has a checkpoint."""
    often = (*overrides, "checkpoint.every_seconds=0.001")
    process = gpus.context.Process(target=run, args=(None, (folder, often)))
    process.start()
    while not RunDir(folder).round(0).checkpoint.exists():
        assert process.is_alive(), "it has ended before"
        time.sleep(0.001)
    process.kill()
    process.join()
    assert not RunDir(folder).round(0).record.exists()


def sweep(process: ProcessRank, folder: Path, *overrides: str) -> None:
    """Do a sweep in a folder, as the command does it."""
    folder.mkdir(parents=True)
    os.chdir(folder)
    os.environ["LOTTERY_REPORT"] = "0"
    be_the_command("-m", *TINY, *overrides)


def train(process: ProcessRank, folder: Path, *overrides: str) -> None:
    """Train a run's rounds as one of its processes; each has a lock of its own here."""
    experiment = prepare(composed(*TINY, *overrides), folder, process)
    with locked(folder / f"lock_{process.rank}", wait=False) as ownership:
        train_rounds(experiment, ownership)


def analyse(process: ProcessRank, folder: Path) -> None:
    """Take a ticket out of a finished run, verify it here, and analyse the run's stability."""
    verify.measure_in_fresh_process = verify.measure_scores
    stability = ["lottery-stability", "--pairs", "1", "--points", "3", str(folder)]
    ticket = ["lottery-ticket", str(folder)]
    for command, arguments in ((stability_command, stability), (ticket_command, ticket)):
        sys.argv = arguments
        command.main()


def results(folder: Path) -> dict[str, bytes]:
    """Return the content of a run's tensor files and of the tables without times.

    The generators are left out: those of a run on a GPU have one more.
    """
    tensors = {name: b for name, b in tensor_files(folder).items() if "generators" not in name}
    return tensors | {name: (folder / name).read_bytes() for name in TABLES}


def tensors_of(folder: Path, number: int) -> list[Path]:
    """Return the files of a round's masks and weights."""
    files = RunDir(folder).round(number)
    return [files.masks, files.start, files.es, files.final]

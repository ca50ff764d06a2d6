"""What all tests share: the command in the test's own process, and quick settings."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra

import lottery as package
from lottery.cli import data as data_command
from lottery.cli import ticket as ticket_command
from lottery.cli import train
from lottery.runs import lifecycle
from lottery.ticket import verify

# Small networks gain nothing from a second thread, and two threads that share a busy machine
# wait for each other.
torch.set_num_threads(1)

QUICK = ("rounds=2", "iterations=40", "evaluation.every=20", "trainer.threads=1")
# The quickest run with something pruned, for tests of what surrounds the training.
TINY = ("rounds=1", "iterations=20", "evaluation.every=10", "trainer.threads=1")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def run(self) -> Path:
        """The folder on the last line of stdout."""
        return Path(self.out.splitlines()[-1])


Lottery = Callable[..., Done]


def snapshot(path: Path) -> dict[str, int]:
    """Every file and folder below a folder, Python's caches aside, and when it changed last."""
    found = [p for p in path.rglob("*") if "__pycache__" not in p.parts]
    return {str(p.relative_to(path)): p.stat().st_mtime_ns for p in found}


def tensor_files(run: Path) -> dict[str, bytes]:
    """The content of every tensor file of a run, by its path in the run's folder."""
    files = sorted(run.rglob("*.safetensors"))
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


TABLES = ("results.csv", "history.csv", "results.json")


def result_tables(run: Path) -> dict[str, bytes]:
    """What must not depend on interruptions."""
    return {name: (run / name).read_bytes() for name in TABLES}


def environment() -> dict[str, str]:
    """The environment for a process of its own, on one core."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def real_command(*arguments: str) -> Done:
    """The command as a process of its own, in the current folder."""
    return _real_python("-m", "lottery", *arguments)


def real_program(program: str) -> Done:
    """What Python does with a program in a process of its own."""
    return _real_python("-c", program)


def _real_python(*arguments: str) -> Done:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment(), check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def in_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """`in_process(main, "lottery-data", "prepare", path)` is a command, in an empty folder."""
    path = list(sys.path)

    def call(main: Callable[[], None], *words: object) -> Done:
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capfd.readouterr()
        return Done(code, captured.out, captured.err)

    yield call
    sys.path[:] = path


@pytest.fixture
def lottery(in_process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> Lottery:
    """`lottery("rounds=1")` runs the command in this process, in an empty folder."""
    # Hydra composes the config once more to see whether hydra.mode is set in it, which no test
    # does: without that a command takes half the time.
    monkeypatch.setattr(Hydra, "get_mode", lambda *_, **__: None)
    # tests/cli/test_report.py has real ones; they take two seconds each.
    monkeypatch.setattr(lifecycle, "report_at_end", lambda folder: None)
    monkeypatch.setattr(train, "report_at_end", lambda folder: None)

    def call(*arguments: str) -> Done:
        GlobalHydra.instance().clear()
        done = in_process(train.main, "lottery", *arguments)
        _close_log_files()
        return done

    return call


@pytest.fixture
def lottery_data(
    in_process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """`lottery_data("download", "mnist")` runs the command in this process."""

    def call(*arguments: object) -> Done:
        with monkeypatch.context() as patch:
            # as in a fresh process: a run before has left handlers
            patch.setattr(logging.getLogger(), "handlers", [])
            return in_process(data_command.main, "lottery-data", *arguments)

    return call


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that `run` copies."""
    path = tmp_path_factory.mktemp("made")
    quick = ("rounds=2", "iterations=60", "evaluation.every=20", "trainer.threads=1")
    patch = pytest.MonkeyPatch()
    patch.setattr("lottery.runs.lifecycle.report_at_end", lambda folder: None)
    run = package.run(*quick, "logger=none", f"output_dir={path}").path
    patch.undo()
    return run


@pytest.fixture
def run(made: Path, folder: Path) -> Path:
    """A copy of a finished run of three rounds on digits, for one test; with no ticket yet."""
    copied = folder / "run"
    shutil.copytree(made, copied)
    return copied


@pytest.fixture
def ticket(
    in_process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """`ticket(run, "--round", 1)` runs the command, measuring included, in this process."""
    threads = torch.get_num_threads()

    def count_here(*arguments: Any) -> verify.CorrectCounts:
        try:
            return verify.count_correct(*arguments)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(False)

    monkeypatch.setattr(verify, "count_in_fresh_process", count_here)
    return partial(in_process, ticket_command.main, "lottery-ticket")


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that are forked from the test: they need not import Lightning, which takes seconds.

    tests/runs/test_workers.py has some that are started as the command starts them.
    """

    def start(*arguments: Any, start_method: str, **options: Any) -> Any:
        return start_processes(*arguments, start_method="fork", **options)

    spawn = import_module("torch.multiprocessing.spawn")  # a function has taken its name
    start_processes = spawn.start_processes
    monkeypatch.setattr(spawn, "start_processes", start)


@pytest.fixture
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """As outside of SLURM."""
    for name in ("JOB_ID", "ARRAY_JOB_ID", "ARRAY_TASK_ID", "RESTART_COUNT"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)


@pytest.fixture
def write_module(folder: Path) -> Iterator[Callable[[str, str], Path]]:
    """`write_module("name", source)` puts a user's module into the current folder."""
    names: list[str] = []

    def write(name: str, source: str) -> Path:
        names.append(name)
        sys.modules.pop(name, None)
        invalidate_caches()
        path = folder / f"{name}.py"
        path.write_text(source)
        return path

    yield write
    for name in names:
        sys.modules.pop(name, None)


def _close_log_files() -> None:
    for handler in list(logging.getLogger().handlers):
        if isinstance(handler, logging.FileHandler):
            handler.close()
            logging.getLogger().removeHandler(handler)

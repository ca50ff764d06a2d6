"""Fixtures for all tests: the commands in the test's own process, and quick settings."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import invalidate_caches
from multiprocessing.context import ForkProcess, SpawnContext
from pathlib import Path

import pytest
import torch
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hypothesis import HealthCheck, settings

import lottery as package
from lottery.cli import train
from lottery.models import vgg

pytest_plugins = ("tests.helpers.command_fixtures",)

# Only a process that the emulated GPU was built for may import it.
collect_ignore = ["helpers/emulated_gpu.py"]

# Seconds that a test waits for another process: enough on a machine at ten times its load.
PATIENCE = 600

# On a busy machine examples are late without a fault of ours.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

QUICK = ("rounds=2", "iterations=40", "evaluation.every=20", "trainer.threads=1")
# The quickest run that prunes something, for tests that look at other things than training.
TINY = ("rounds=1", "iterations=20", "evaluation.every=10", "trainer.threads=1")


ALL_GPUS = "all"
VISIBLE_GPUS = "LOTTERY_TESTS_GPUS"  # CUDA_VISIBLE_DEVICES as it was before the tests


def pytest_configure() -> None:
    """Hide the GPUs: tests compute on the CPU and fork. Those in tests/gpu find them again."""
    os.environ.setdefault(VISIBLE_GPUS, os.environ.get("CUDA_VISIBLE_DEVICES", ALL_GPUS))
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


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
WriteModule = Callable[[str, str], Path]


def snapshot(path: Path) -> dict[str, int]:
    """Return when each file and folder below `path` was last changed; Python's caches aside."""
    found = [p for p in path.rglob("*") if "__pycache__" not in p.parts]
    return {str(p.relative_to(path)): p.stat().st_mtime_ns for p in found}


def tensor_files(run: Path) -> dict[str, bytes]:
    """Return the content of a run's tensor files, by their paths in its folder."""
    files = sorted(run.rglob("*.safetensors"))
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


TABLES = ("results.csv", "history.csv", "results.json")


def result_tables(run: Path) -> dict[str, bytes]:
    """Return the content of the tables that no interruption may change."""
    return {name: (run / name).read_bytes() for name in TABLES}


def environment() -> dict[str, str]:
    """Return the environment for another process, with one thread."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def real_command(*arguments: str) -> Done:
    """Run the command in a process of its own, in the current folder."""
    return _real_python("-m", "lottery", *arguments)


def real_program(program: str) -> Done:
    """Run a Python program in a process of its own."""
    return _real_python("-c", program)


def _real_python(*arguments: str) -> Done:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env=environment(), check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session", autouse=True)
def _no_reports() -> Iterator[None]:
    """Make no report at the end of a run: it takes two seconds. Tests of reports undo this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOTTERY_REPORT", "0")
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_disks() -> Iterator[None]:
    """Do not wait until files are on the disk, 60 times a run: no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _composed_once() -> Iterator[None]:
    """Let Hydra compose a config once, not a second time to look whether it sets `hydra.mode`.

    That takes a third of a short run. Commands in processes of their own do as always.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hydra, "get_mode", lambda *_, **__: None)
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Compute with one thread, whatever a run in an earlier test has chosen.

    Small networks gain nothing from a second one, and two threads that share a busy machine wait
    for each other.
    """
    torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def in_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """`in_process(main, "lottery-data", "prepare", path)` runs a command in an empty folder."""
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
    remove_log_handlers()


@pytest.fixture
def lottery(in_process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> Lottery:
    """`lottery("rounds=1")` runs the command in this process, in an empty folder."""

    def call(*arguments: str) -> Done:
        GlobalHydra.instance().clear()
        done = in_process(train.main, "lottery", *arguments)
        HydraConfig.instance().cfg = None  # the job is over; `--info` leaves half a one
        remove_log_handlers(logging.FileHandler)
        return done

    return call


@pytest.fixture
def with_own_log(
    in_process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """As `in_process`, without pytest's handlers, which keep a command from setting up its own."""

    def call(main: Callable[[], None], *words: object) -> Done:
        with monkeypatch.context() as patch:
            patch.setattr(logging.getLogger(), "handlers", [])
            return in_process(main, *words)

    return call


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that `run` copies."""
    path = tmp_path_factory.mktemp("made")
    quick = ("rounds=2", "iterations=60", "evaluation.every=20", "trainer.threads=1")
    return package.run(*quick, "logger=none", f"output_dir={path}").path


@pytest.fixture
def run(made: Path, folder: Path) -> Path:
    """Copy a finished run of three rounds on digits for one test; it has no ticket yet."""
    copied = folder / "run"
    shutil.copytree(made, copied)
    return copied


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork workers from the test, so that they need not import Lightning, which takes seconds.

    tests/runs/test_workers.py and test_launchers.py start some as the command does.
    """
    monkeypatch.setattr(SpawnContext, "Process", ForkProcess)


@pytest.fixture
def thin_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    """VGGs with few filters, for tests that look at other things than their sizes."""
    monkeypatch.setattr(vgg, "FILTERS", (4, 4, 8, 8, 32))


@pytest.fixture
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Act as outside of SLURM."""
    for name in ("JOB_ID", "ARRAY_JOB_ID", "ARRAY_TASK_ID", "RESTART_COUNT"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)


@pytest.fixture
def write_module(folder: Path) -> Iterator[WriteModule]:
    """`write_module("name", source)` writes a user's module into the current folder."""
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


def remove_log_handlers(kind: type[logging.Handler] = logging.Handler) -> None:
    """Leave no handler to what comes next: it would write to the streams and files of before."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, kind) and not type(handler).__module__.startswith("_pytest"):
            handler.close()
            root.removeHandler(handler)

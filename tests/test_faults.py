"""`scripts/faults.py`: some of its cases, and that it sees what a run must not leave."""

import platform
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import PATIENCE, environment

HERE = sys.platform == "linux" and platform.machine() == "x86_64" and shutil.which("cc")
SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPTS)
    return import_module("faults")


@pytest.mark.skipif(not HERE, reason="needs Linux on x86-64 and a C compiler")
def test_a_run_survives_a_fault_at_any_write() -> None:
    command = [sys.executable, SCRIPTS / "faults.py", "--sample", "10", "--seed", "5", "--report"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env=environment(), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 cases, 0 with problems" in done.stdout


def _change(path: Path) -> None:
    path.write_text(path.read_text().replace("1", "2"))


def test_what_differs_is_seen(faults: ModuleType, run: Path, tmp_path: Path) -> None:
    for number, (name, change, expected) in enumerate(
        (
            ("results.csv", _change, ["differs: results.csv"]),
            ("rounds/01/round.json", _change, ["differs: rounds/01/round.json"]),
            ("run.json", _change, ["differs: run.json"]),
            ("rounds/01/masks.safetensors", Path.unlink, ["missing: rounds/01/masks.safetensors"]),
            ("rounds/01/.tmpABCDEF", Path.touch, ["left over: rounds/01/.tmpABCDEF"]),
            ("timing.csv", _change, []),
            ("report.md", lambda path: path.unlink(missing_ok=True), []),
        )
    ):
        copy = shutil.copytree(run, tmp_path / str(number))
        change(copy / name)
        assert list(faults.differences(run, copy)) == expected


def test_what_a_failed_run_says_is_judged(faults: ModuleType) -> None:
    line = "08:00:00 round 0: done"
    for fault, code, error, good in (
        ("EIO", 1, f"{line}\nerror: input/output error: x", True),
        ("EIO", 0, line, True),
        ("KILL", -9, line, True),
        ("EIO", 1, "Traceback (most recent call last):\nOSError", False),
        ("EIO", 1, "error: one\nerror: two", False),
        ("EIO", 1, "error: one\nmore", False),
        ("EIO", -11, "", False),
        ("ENOSPC", 0, "--- Logging error ---", False),
        ("KILL", 1, "error: one", False),
    ):
        found = faults.problems_of_failed(faults.Case(1, fault), faults.Done(code, error, []))
        assert (list(found) == []) is good

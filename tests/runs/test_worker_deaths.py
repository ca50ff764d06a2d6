"""Workers that are killed or stopped: all end, no file is left over, nothing is lost."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, Lottery, result_tables
from tests.helpers.forked import ForkedCommand

LONG = (
    "trainer=ddp_cpu",
    "trainer.precision=64-true",
    "logger=none",
    "rounds=2",
    "iterations=240",
    "checkpoint.every_seconds=0.05",
)


def _wait_for(command: ForkedCommand, pattern: str) -> None:
    while not list(Path().glob(pattern)):
        assert command.is_alive, command.err
        time.sleep(0.01)


def _workers(command: ForkedCommand) -> list[int]:
    """Process ids of the workers, by rank: they are started in that order."""
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def _is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def _leftovers(temporary: Path, workers: list[int]) -> list[str]:
    """Temporary files of workers, and their shared memory; other tests' processes have theirs."""
    shared = Path("/dev/shm").iterdir()
    of_workers = [p for p in shared if any(f"_{worker}_" in p.name for worker in workers)]
    return [str(path) for path in (*temporary.iterdir(), *of_workers)]


@pytest.fixture
def temporary(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of workers too; it is in the current folder."""
    temporary = folder / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    return temporary


@pytest.mark.usefixtures("forked_workers")
def test_workers_are_killed_and_stopped_and_nothing_is_lost(
    lottery: Lottery, temporary: Path
) -> None:
    whole = lottery(*LONG, "output_dir=whole").run
    command = ForkedCommand(*LONG)
    _wait_for(command, "outputs/*/seed_0/rounds/01/checkpoint.pt")
    assert list(Path().glob("outputs/*/seed_0/.workers/*"))
    killed = workers = _workers(command)
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    done = command.wait()
    assert done.code == 1, done.err
    (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert line == "error: the process of rank 1 was killed by SIGKILL; finished rounds are kept"
    assert "Traceback" not in done.err
    assert not any(map(_is_alive, workers))
    (path,) = Path().glob("outputs/*/seed_0")
    first_row = (path / "results.csv").read_text().splitlines()[1]

    command = ForkedCommand(*LONG)
    while "carrying on from step" not in command.err:
        assert command.is_alive, command.err
        time.sleep(0.01)
    workers = _workers(command)
    os.killpg(command.pid, signal.SIGTERM)  # as SLURM does, and a terminal
    done = command.wait()
    assert done.code == 143, done.err
    stopped = r"\nstopped by SIGTERM in round \d at step \d+; resume with: lottery "
    assert re.search(stopped, done.err)
    assert not any(map(_is_alive, workers))
    assert list(path.glob("rounds/*/checkpoint.pt"))

    done = lottery(*LONG)
    assert done.code == 0, done.err
    assert "carrying on from step" in done.err
    assert (path / "results.csv").read_text().splitlines()[1] == first_row
    assert result_tables(path) == result_tables(whole)
    assert not _leftovers(temporary, killed + workers)
    assert not (path / ".workers").exists()


@pytest.mark.usefixtures("forked_workers")
def test_workers_die_with_their_parent_and_the_next_start_tidies_up(
    lottery: Lottery, temporary: Path
) -> None:
    command = ForkedCommand(*LONG)
    _wait_for(command, "outputs/*/seed_0/rounds/00/checkpoint.pt")
    workers = _workers(command)
    command.kill()
    deadline = time.monotonic() + PATIENCE
    while any(map(_is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(_is_alive, workers))
    assert list(temporary.iterdir()) == []
    done = lottery(*LONG, "rounds=0")
    assert done.code == 0, done.err
    assert not {".workers", ".owner.json"} & {path.name for path in done.run.iterdir()}

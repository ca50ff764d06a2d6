"""A run goes on where it ended: more rounds, fewer, killed, half written, owned by another."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.conftest import TABLES, TINY, Done, Lottery, result_tables, snapshot

# Long enough for a kill during the training
SLOW = ("rounds=2", "iterations=800", "evaluation.every=40", "trainer.threads=1")


def test_more_rounds_train_only_the_new_ones(lottery: Lottery) -> None:
    short = lottery(*TINY, "rounds=2")
    tables = result_tables(short.run)
    before = snapshot(short.run / "rounds")
    longer = lottery(*TINY, "rounds=4")
    assert longer.run == short.run
    assert before.items() <= snapshot(short.run / "rounds").items()
    assert all(
        result_tables(short.run)[t].startswith(tables[t]) for t in ("results.csv", "history.csv")
    )
    assert "round 2:" not in longer.err
    assert "round 3:" in longer.err
    whole = lottery(*TINY, "rounds=4", "output_dir=whole")
    assert result_tables(whole.run) == result_tables(short.run)


def test_fewer_rounds_print_the_first_rows_and_truncate_nothing(lottery: Lottery) -> None:
    whole = lottery(*TINY, "rounds=3")
    before = snapshot(whole.run)
    fewer = lottery(*TINY, "rounds=1")
    assert fewer.code == 0
    assert [line.split()[0] for line in fewer.out.splitlines()[1:-1]] == ["0", "1"]
    assert fewer.run == whole.run
    assert _changed(before, snapshot(whole.run)) == set()


def test_finished_run_prints_its_table_and_trains_nothing(lottery: Lottery) -> None:
    first = lottery(*TINY)
    before = snapshot(first.run)
    again = lottery(*TINY)
    assert (again.code, again.out, again.err) == (0, first.out, "")
    assert _changed(before, snapshot(first.run)) == set()


def _changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """Return the names of what differs, without the lock, which every command takes."""
    return {name for name, _ in before.items() ^ after.items()} - {".lock"}


def _spare(path: Path, run: Path) -> Path:
    """A copy of a finished run, to be damaged."""
    return Path(shutil.copytree(run, path / run.parent.name / run.name))


HALF_STATES = {
    "masks without start": ["rounds/02/start*", "rounds/02/[ef]*", "rounds/02/round.json"],
    "start without weights": ["rounds/02/[ef]*", "rounds/02/round.json"],
    "weights without record": ["rounds/02/round.json"],
    "nothing of the round": ["rounds/02/*"],
    "round 0 without record": ["rounds/0[012]/round.json", "rounds/0[12]/*"],
    "round 0 has but masks": ["rounds/0[12]/*", "rounds/00/[sefr]*"],
    "no tables": ["results.csv", "history.csv", "results.json", "timing.csv"],
    "tables without last record": ["rounds/02/round.json", "results.csv"],
    "no run.json": ["run.json", "rounds/02/round.json"],
}


def test_half_a_state_is_carried_on(lottery: Lottery, folder: Path) -> None:
    arguments = (*TINY, "rounds=2", "reinit=none")  # it needs the most of what is stored
    whole = lottery(*arguments)
    for number, (state, removed) in enumerate(HALF_STATES.items()):
        run = _spare(folder / f"spare_{number}", whole.run)
        _set_status(run, "running")
        _remove(run, removed)
        again = lottery(*arguments, f"output_dir=spare_{number}")
        assert again.code == 0, f"{state}: {again.err}"
        assert again.run == run
        assert again.out.splitlines()[:-1] == whole.out.splitlines()[:-1], state
        assert {name for name in TABLES if not (run / name).is_file()} == set(), state
        assert result_tables(run) == result_tables(whole.run), state
        assert (run / "timing.csv").is_file(), state
        assert json.loads((run / "run.json").read_text())["status"] == "finished", state


def _remove(run: Path, patterns: list[str]) -> None:
    files = {file for pattern in patterns for file in run.glob(pattern) if file.is_file()}
    assert files
    for file in files:
        file.unlink()


def _set_status(run: Path, status: str) -> None:
    entry = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(entry | {"status": status}))


def test_leftovers_of_a_cut_off_write_do_no_harm(lottery: Lottery) -> None:
    first = lottery(*TINY)
    tables = result_tables(first.run)
    for name in ("rounds/02/.masks.safetensors.99.part", ".results.csv.99.part", ".owner.json"):
        (first.run / name).parent.mkdir(exist_ok=True)
        (first.run / name).write_bytes(b"{")
    more = lottery(*TINY, "rounds=2")
    assert more.code == 0, more.err
    assert not list(first.run.rglob("*.part"))
    assert (first.run / "results.csv").read_bytes().startswith(tables["results.csv"])


def test_a_finished_run_is_cleared_of_what_a_kill_at_its_end_left(lottery: Lottery) -> None:
    """The report is made last, while the folder is still held."""
    first = lottery(*TINY)
    (first.run / ".owner.json").write_text('{"host": "elsewhere", "process": 1}')
    (first.run / ".report.html.part").touch()
    assert lottery(*TINY).out == first.out
    assert (first.run / ".owner.json").exists()  # it may be working, on another host
    os.utime(first.run / ".owner.json", (0, 0))
    assert lottery(*TINY).out == first.out
    assert not (first.run / ".owner.json").exists()
    assert not (first.run / ".report.html.part").exists()


def test_killed_runs_give_the_tables_of_an_uninterrupted_one(
    lottery: Lottery, folder: Path
) -> None:
    whole = lottery(*SLOW, "output_dir=whole").run
    run = folder / "killed" / whole.parent.name / "seed_0"
    for last_file in (
        "rounds/00/round.json",  # between rounds
        "rounds/01/start.safetensors",  # within round 1
    ):
        _kill_once_there(run / last_file, lottery, *SLOW, "output_dir=killed")
        assert json.loads((run / "run.json").read_text())["status"] == "running"
    assert not (run / "rounds" / "02" / "round.json").exists()
    done = lottery(*SLOW, "output_dir=killed")
    assert done.code == 0, done.err
    assert done.run == run
    assert result_tables(run) == result_tables(whole)


def _kill_once_there(file: Path, lottery: Lottery, *arguments: str) -> None:
    """Start the command in a fork, which has imported Lightning; kill it once a file is there."""
    process = get_context("fork").Process(target=lottery, args=arguments)
    process.start()
    while not file.exists():
        assert process.is_alive(), "it has ended before"
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


OWNER = """
import sys, time
from pathlib import Path
from lottery.runs.run_lock import locked

with locked(Path(sys.argv[1]), wait=False):
    print("here", flush=True)
    if len(sys.argv) == 2:
        sys.stdin.read()
    else:
        while not list(Path(sys.argv[2]).glob("*/jobs/0.json")):
            time.sleep(0.01)
        time.sleep(0.3)
        print(list(Path(sys.argv[1]).glob("rounds/*")), flush=True)
"""


@pytest.fixture
def own() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """`own(run)` starts another process that holds the run's folder."""
    owners: list[subprocess.Popen[str]] = []

    def start(*arguments: Path) -> "subprocess.Popen[str]":
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        owners.append(owner)
        assert owner.stdout is not None
        assert owner.stdout.readline() == "here\n"
        return owner

    yield start
    for owner in owners:
        owner.kill()
        owner.communicate()


def _assert_refused(done: Done, run: Path, owner: int) -> None:
    assert done.code == 2
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith(f"error: {run}: process {owner} ")


def test_a_second_process_alone_refuses_and_touches_nothing(
    lottery: Lottery, own: Callable[..., "subprocess.Popen[str]"]
) -> None:
    run = lottery(*TINY).run
    owner = own(run)
    before = snapshot(run)
    assert lottery(*TINY, "rounds=1").code == 0  # a finished run needs no lock
    _assert_refused(lottery(*TINY, "rounds=2"), run, owner.pid)
    assert snapshot(run) == before
    os.kill(owner.pid, signal.SIGKILL)  # leaves its file, not its lock
    owner.wait()
    assert lottery(*TINY, "rounds=2").code == 0


def test_a_job_of_a_sweep_waits_for_the_owner(
    lottery: Lottery, folder: Path, own: Callable[..., "subprocess.Popen[str]"]
) -> None:
    name = lottery(*TINY, "dry_run=true").out.splitlines()[0].split()[1]
    owner = own(Path(name), folder / "outputs" / "sweeps")
    done = lottery("-m", *TINY, "seed=0")
    assert done.code == 0, done.err
    assert (Path(name) / "rounds" / "01" / "round.json").is_file()
    assert owner.communicate()[0] == "[]\n"  # not begun while the owner was there

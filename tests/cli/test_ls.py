"""`lottery-ls`: which runs are there, how far they are, and that it only reads."""

import json
import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lottery.cli import ls
from lottery.listing import format_list, list_runs
from lottery.record.files import write_json
from lottery.record.run_dir import RunDir
from lottery.runs.run_lock import STALE_SECONDS, locked, works_there
from tests.conftest import Done, snapshot
from tests.helpers.toy_records import CONFIG, TRUNK, write_run

OTHER = TRUNK.replace("11111111", "22222222")
AGES = {f"{OTHER}/seed_0": 3_500_000, f"{OTHER}/seed_10": 3 * 3600, f"{TRUNK}/seed_0": 125}
TABLE = f"""\
  seed  status       rounds  best round  left %      val  changed
outputs/{OTHER}  1 of 2 finished  optimizer.lr=0.1
  0     finished     3/3     1, ticket    80.00  96.00 %  40 d ago
  10    interrupted  1/3     -                -        -  3 h ago    killed: nothing works in it
outputs/{TRUNK}  0 of 2 finished  optimizer.lr=0.0012
  0     failed       2/4     1            80.00  96.00 %  2 min ago  DiskError: no space left
  1     damaged      -       -                -        -  0 s ago    outputs/digits-lenet_300_1…"""

Ls = Callable[..., Done]


@pytest.fixture(name="ls")
def _ls(in_process: Callable[..., Done]) -> Ls:
    return lambda *words: in_process(ls.main, "lottery-ls", *words)


def _write_runs(outputs: Path) -> None:
    write_run(outputs / OTHER / "seed_0", canonical=CONFIG | {"optimizer.lr": 0.1})
    write_run(
        outputs / OTHER / "seed_10",
        canonical=CONFIG | {"optimizer.lr": 0.1},
        tests=[0.95],
        asked=3,
        status="running",
    )
    failed = outputs / TRUNK / "seed_0"
    write_run(
        failed, tests=[0.9, 0.96], asked=4, status="failed", message="DiskError: no space left"
    )
    RunDir(write_run(outputs / TRUNK / "seed_1")).run_json.write_text("{")
    write_json(RunDir(outputs / OTHER / "seed_0").ticket.ticket_json, {})


def test_the_table_has_the_runs_below_their_settings(folder: Path) -> None:
    _write_runs(Path("outputs"))
    runs = [
        replace(run, changed_s=AGES.get(run.run.removeprefix("outputs/"), 0))
        for run in list_runs([Path("outputs")])
    ]
    runs.sort(key=lambda run: run.setting, reverse=True)
    assert format_list(runs, width=96).splitlines() == TABLE.splitlines()


def test_a_pipe_gets_a_line_a_run_and_json_the_same(ls: Ls, folder: Path) -> None:
    _write_runs(Path("outputs"))
    before = snapshot(folder)
    done = ls()
    assert (done.code, done.err) == (0, "")
    header, *lines = (line.split("\t") for line in done.out.splitlines())
    by_run = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    of_pipe = by_run[f"outputs/{OTHER}/seed_0"]
    assert of_pipe | {"changed_s": ""} == {
        "run": f"outputs/{OTHER}/seed_0",
        "status": "finished",
        "rounds": "3",
        "asked": "3",
        "best_round": "1",
        "remaining": "0.8",
        "val": "0.96",
        "metric": "accuracy",
        "ticket": "True",
        "changed_s": "",
        "differs": "optimizer.lr=0.1",
        "note": "",
    }
    as_json = json.loads(ls("--json").out)
    assert [run["run"] for run in as_json] == [*by_run]
    assert {run["status"] for run in as_json} == {"finished", "interrupted", "failed", "damaged"}
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    "content",
    [
        "",
        "round,remaining\n1,0.8\n",
        "round,remaining,val\nx,1,1\n",
        "round,remaining,val\n1,0.8,nan\n",
    ],
)
def test_a_damaged_table_is_a_line_that_says_so(folder: Path, content: str) -> None:
    run = write_run(folder / TRUNK / "seed_0")
    RunDir(run).results_csv.write_text(content)
    (found,) = list_runs([folder])
    if not content:  # as before the first round
        assert (found.status, found.best_round) == ("finished", None)
    else:
        assert found.status == "damaged"
        assert found.note.startswith(f"{run}/results.csv: damaged: ")


@pytest.mark.parametrize(("path", "why"), [("nowhere", "no such folder; "), (".", "")])
def test_no_run_is_a_mistake(ls: Ls, path: str, why: str) -> None:
    done = ls(path)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: {path}: {why}not a run and holds none (no run.json)\n"


def test_a_table_shows_what_would_command_the_terminal_as_escapes(folder: Path) -> None:
    write_run(folder / TRUNK / "seed_0", status="failed", message="a\x1b]0;title\x07\nb")
    *_, line = format_list(list_runs([folder]), width=200).splitlines()
    assert line.endswith(r"a\x1b]0;title\x07\nb")


def test_a_run_is_running_while_its_process_lives_and_shows_it(folder: Path) -> None:
    run = write_run(folder / TRUNK / "seed_0", status="running")
    with locked(run, wait=False):
        assert list_runs([folder])[0].status == "running"
    assert list_runs([folder])[0].status == "interrupted"


def test_the_owner_counts_if_it_is_alive_or_on_a_host_that_we_cannot_ask(folder: Path) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    owner_file = folder / ".owner.json"
    here, elsewhere = socket.gethostname(), "another.host"
    for host, number, age, expected in (
        (here, os.getpid(), 0, True),
        (here, process.pid, 0, False),
        (here, 10**20, 0, False),  # in a damaged file
        (here, -1, 0, False),
        (elsewhere, process.pid, 0, True),
        (elsewhere, process.pid, STALE_SECONDS + 1, False),
    ):
        write_json(owner_file, {"host": host, "process": number})
        then = owner_file.stat().st_mtime - age
        os.utime(owner_file, (then, then))
        assert works_there(folder) is expected


def test_settings_that_changed_last_come_last_and_seeds_go_by_number(folder: Path) -> None:
    ages = {f"{TRUNK}/seed_2": 100, f"{TRUNK}/seed_10": 300, f"{OTHER}/seed_0": 200}
    for name, age in ages.items():
        run = RunDir(write_run(folder / name))
        for file in (run.run_json, run.results_csv):
            then = file.stat().st_mtime - age
            os.utime(file, (then, then))
    found = [str(Path(run.run).relative_to(folder)) for run in list_runs([folder])]
    assert found == [f"{OTHER}/seed_0", f"{TRUNK}/seed_2", f"{TRUNK}/seed_10"]

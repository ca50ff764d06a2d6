"""`lottery-doctor`: each check passes where all is well and fails where something is not."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from lottery.cli import doctor
from lottery.doctor import disk, promises
from lottery.doctor.examine import Result, as_json, as_table, is_healthy
from lottery.doctor.finding import Status, failed, not_here, passed
from lottery.doctor.trial import TrialFailed, Trials, largest_loss_difference
from tests.conftest import Done

HISTORY = """\
round,iteration,split,loss,accuracy
0,10,train,2,0.1
0,10,val,{loss},0.2
0,20,val,9,0.2
"""


@dataclass
class Recorded:
    """Trials that were made before: a folder for each name, and an exit code of the killed one."""

    folder: Path
    exit_code: int = -9

    def __post_init__(self) -> None:
        self.plain = self.ten_steps = self.write("plain", val_loss=2.0)

    def write(self, name: str, *, val_loss: float, test: float = 0.9) -> Path:
        run = self.folder / name
        run.mkdir()
        (run / "results.csv").write_text(f"round,test\n0,{test}\n")
        (run / "history.csv").write_text(HISTORY.format(loss=val_loss))
        (run / "timing.csv").write_text("round,steps_per_second\n0,1000\n")
        return run

    def run(self, name: str, *overrides: str) -> Path:
        return self.folder / name

    def kill(self, name: str, *overrides: str) -> int:
        return self.exit_code


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def test_equal_tables_pass(recorded: Recorded) -> None:
    for name in ("again", "killed"):
        recorded.write(name, val_loss=2.0)
    trials = cast(Trials, recorded)
    assert promises.check_repeats(trials) == passed("two runs of one command have equal tables")
    killed = passed("killed in round 1 and started again: equal tables")
    assert promises.check_resumes(trials) == killed


def test_a_difference_fails_and_names_the_table(recorded: Recorded) -> None:
    recorded.write("again", val_loss=2.0000001)
    recorded.write("killed", val_loss=2.0, test=0.91)
    trials = cast(Trials, recorded)
    assert promises.check_repeats(trials).status is Status.FAIL
    assert "history.csv" in promises.check_repeats(trials).text
    assert "differs in results.csv" in promises.check_resumes(trials).text


def test_a_run_too_fast_to_be_killed_is_told(recorded: Recorded) -> None:
    recorded.exit_code = 0
    recorded.write("killed", val_loss=2.0)
    assert "too fast" in promises.check_resumes(cast(Trials, recorded)).text


@pytest.mark.parametrize(
    ("val_loss", "status"), [(2.0002, Status.PASS), (2.02, Status.FAIL), (1.98, Status.FAIL)]
)
def test_other_devices_may_differ_by_rounding_only(
    recorded: Recorded, val_loss: float, status: Status
) -> None:
    recorded.write("ddp_cpu", val_loss=val_loss)
    assert promises.check_cpu_processes(cast(Trials, recorded)).status is status


@pytest.mark.parametrize(("val_loss", "status"), [(2.0, Status.PASS), (2.0001, Status.FAIL)])
def test_cuda_graphs_change_no_number(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, val_loss: float, status: Status
) -> None:
    assert promises.check_graphs(cast(Trials, recorded)).status is Status.NOT_HERE
    monkeypatch.setattr(promises, "count_gpus", lambda: 1)
    recorded.write("graph_true", val_loss=val_loss)
    recorded.write("graph_false", val_loss=2.0)
    assert promises.check_graphs(cast(Trials, recorded)).status is status


def test_the_first_evaluation_is_compared(recorded: Recorded) -> None:
    other = recorded.write("other", val_loss=2.5)
    assert largest_loss_difference(recorded.plain, other) == 0.25


def test_a_command_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match=r"x: exit code 2: error: iterations=oops: .*"):
        Trials(tmp_path).run("x", "iterations=oops")


def test_the_disk_is_checked(tmp_path: Path) -> None:
    assert "ms to flush" in disk.check_writes(tmp_path).text
    assert disk.check_locks(tmp_path) == passed("one process keeps another out")
    assert list(tmp_path.iterdir()) == []


RESULTS = [
    Result("GPUs", not_here("no GPU")),
    Result("locks", passed("fine")),
    Result("speed", failed("slow")),
]


def test_the_answer_as_table_and_as_json() -> None:
    lines = as_table(RESULTS).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["GPUs", "not", "here", "no", "GPU"],
        ["locks", "pass", "fine"],
        ["speed", "fail", "slow"],
    ]
    assert json.loads(as_json(RESULTS))[2] == {"check": "speed", "status": "fail", "text": "slow"}
    assert [is_healthy(RESULTS), is_healthy(RESULTS[:2])] == [False, True]


def test_a_folder_that_cannot_be_written_is_one_line(in_process: Callable[..., Done]) -> None:
    done = in_process(doctor.main, "lottery-doctor", "--folder", "/proc/results")
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"error: --folder: /proc/results cannot be written: .*\n", done.err)

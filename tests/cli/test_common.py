"""What the commands share: an error of ours is one line, with one exit code in every command."""

import errno
import pickle
import sys
from collections.abc import Callable, Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from lottery.claims.sweeps import SweepsFailed
from lottery.cli import compare, report, stability, ticket
from lottery.cli.common import check_surroundings, errors_end_the_command
from lottery.data import DataError
from lottery.doctor.trial import TrialFailed
from lottery.dynamic.moving import WrongMove
from lottery.errors import ConfigError, LotteryError, NoRun, OutOfMemory, UntrustedCode
from lottery.imp import BrokenInvariant, NothingToRewindTo
from lottery.models.state import OtherNetwork
from lottery.pruning import BadScores
from lottery.record.disk_errors import DiskError
from lottery.record.files import DamagedFile
from lottery.record.run_dir import RunDir
from lottery.record.tensor_header import MissingTensors
from lottery.runs.process_group import WorkerDied
from lottery.runs.run_lock import NoFileLocks, RunLocked, RunTakenOver
from lottery.runs.shared_data import OtherData
from lottery.signals import Stopped
from lottery.ticket.extract import WrongTicket
from lottery.ticket.ticket import NoTicket
from lottery.training import Diverged
from lottery.training.graphed import GraphFailed
from lottery.training.loggers.run_loggers import LoggerFailed
from lottery.training.mover import StoppedEarly
from lottery.training.native.checkpoint import NoStepToKeep
from lottery.training.native.fit import LightningRefused
from lottery.training.native.metrics import MissingMetric
from lottery.training.native.position import NotPlain
from lottery.training.native.probe import NoLoss
from tests.conftest import Done
from tests.helpers.toy_records import TRUNK, write_run

EXIT_CODES = {
    BadScores: 1,
    BrokenInvariant: 1,
    ConfigError: 2,
    DamagedFile: 1,
    DataError: 2,
    DiskError: 1,
    Diverged: 1,
    GraphFailed: 1,
    LightningRefused: 1,
    LoggerFailed: 1,
    MissingMetric: 1,
    MissingTensors: 1,
    NoFileLocks: 2,
    NoRun: 2,
    NoLoss: 1,
    NoStepToKeep: 1,
    NoTicket: 2,
    NotPlain: 1,
    NothingToRewindTo: 1,
    OtherData: 1,
    OtherNetwork: 1,
    OutOfMemory: 1,
    RunLocked: 2,
    RunTakenOver: 1,
    StoppedEarly: 1,
    SweepsFailed: 1,
    TrialFailed: 1,
    UntrustedCode: 2,
    WorkerDied: 1,
    WrongMove: 1,
    WrongTicket: 1,
}
COMMANDS = {
    "lottery-compare": compare.main,
    "lottery-report": report.main,
    "lottery-stability": stability.main,
    "lottery-ticket": ticket.main,
}

InProcess = Callable[..., Done]


def _subclasses(kind: type[LotteryError]) -> Iterator[type[LotteryError]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def test_every_error_of_ours_is_in_the_table() -> None:
    ours = {kind for kind in _subclasses(LotteryError) if kind.__module__.startswith("lottery.")}
    assert ours == EXIT_CODES.keys()


@pytest.mark.parametrize("kind", EXIT_CODES, ids=lambda kind: kind.__name__)
def test_an_error_is_one_line_and_survives_the_way_between_processes(
    kind: type[LotteryError], in_process: InProcess
) -> None:
    error = pickle.loads(pickle.dumps(kind("fc1.weight: wrong")))
    assert type(error) is kind

    def main() -> None:
        with errors_end_the_command("lottery"):
            raise error

    done = in_process(main, "lottery")
    assert (done.code, done.out) == (EXIT_CODES[kind], "")
    assert done.err.startswith("error: fc1.weight: wrong")  # some add what to do
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("stop", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "stopped; resume with: lottery rounds=3"),
        (Stopped(15, "in round 1"), 143, "stopped by SIGTERM in round 1; resume with: lottery"),
    ],
)
def test_a_stop_says_how_to_go_on(
    in_process: InProcess, stop: BaseException, code: int, line: str
) -> None:
    def main() -> None:
        with errors_end_the_command("lottery rounds=3"):
            raise stop

    done = in_process(main, "lottery")
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(line)


def test_other_errors_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError), errors_end_the_command("lottery"):
        _ = 1 / 0


def test_a_terminal_without_a_character_shows_its_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = TextIOWrapper(BytesIO(), encoding="latin-1", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    check_surroundings(needs_torch=False)
    print("ü …")
    assert stream.buffer.getvalue() == b"\xfc \\u2026\n"


@pytest.mark.parametrize("program", COMMANDS)
def test_a_folder_without_a_run_is_a_mistake(in_process: InProcess, program: str) -> None:
    done = in_process(COMMANDS[program], program, "nowhere")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: nowhere: ") or "/nowhere: " in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("program", COMMANDS)
def test_a_damaged_run_json_is_no_mistake(
    in_process: InProcess, folder: Path, program: str
) -> None:
    run = write_run(folder / TRUNK / "seed_0")
    RunDir(run).run_json.write_text("{")
    done = in_process(COMMANDS[program], program, run)
    assert done.code == 1
    assert done.err.startswith(f"error: {run}/run.json: damaged")


def test_a_full_disk_is_no_mistake(
    in_process: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "report.html")

    run = write_run(folder / TRUNK / "seed_0")
    monkeypatch.setattr("lottery.report.write.write_text", full)
    done = in_process(report.main, "lottery-report", run)
    assert done == Done(1, "", "error: no space left on device: report.html\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["RUN", "--wihin", "1"], "unrecognized arguments: --wihin 1; did you mean --within?"),
        (["RUN", "--export", "csrr"], "did you mean csr?"),
        (["RUN", "--round", "x"], "argument --round: invalid int value: 'x'"),
        ([], "the following arguments are required: DIR; `lottery-ticket --help` says what there"),
    ],
)
def test_a_mistake_in_options_is_one_line(
    in_process: InProcess, words: list[str], line: str
) -> None:
    done = in_process(ticket.main, "lottery-ticket", *words)
    assert (done.code, done.out) == (2, "")
    assert line in done.err
    assert len(done.err.splitlines()) == 1

"""Progress: live on a terminal; elsewhere, and in the log file, lines."""

import logging
import math
import os
import pty
import re
import signal
import sys
from io import StringIO
from pathlib import Path

import pytest

from lottery.progress import INSTEAD_OF_SCREEN, LINES, Progress, StderrHandler
from lottery.progress.screen import sparkline
from tests.helpers.forked import ForkedCommand
from tests.helpers.toy_records import record

LONG = ("rounds=1", "iterations=50000", "trainer.threads=1", "logger=none")


def test_lines_name_round_step_accuracy_and_time_left(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(line_every_s=0)
    with caplog.at_level(logging.INFO), progress.running([3, 4], [100, 100]):
        progress.begin_round(3, 100)
        progress.advance(50, float("nan"))
        progress.begin_round(4, 100)
        progress.advance(50, 0.9512)
    first, second = (record.getMessage() for record in caplog.records)
    assert re.fullmatch(r"round 3/4 step 50/100, 0:00:00 left", first)
    assert re.fullmatch(r"round 4/4 step 50/100 val 95.12 %, 0:00:00 left", second)


def test_rounds_of_different_lengths_count_what_they_have() -> None:
    progress = Progress()
    with progress.running([0, 1, 2], [100, 10, 10]):
        progress.begin_round(2, 10)
        progress.advance(4, 0.9)
        assert progress.steps_left == 6


def test_no_more_than_one_line_per_interval(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(line_every_s=3600)
    with caplog.at_level(logging.INFO), progress.running([0], [100]):
        progress.begin_round(0, 100)
        for _ in range(100):
            progress.advance(1, 0.5)
    assert caplog.records == []


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make standard error a terminal of 80 x 8 characters; pytest undoes this in a fixture."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    for name, value in {"TERM": "xterm", "COLUMNS": "80", "LINES": "8"}.items():
        monkeypatch.setenv(name, value)
    return stream


def _last_screen(terminal: Terminal) -> list[str]:
    """Return the lines that were drawn last, without colours and cursor movements."""
    last = re.split(r"(?:\r?\x1b\[(?:2K|1A))+", terminal.getvalue())[-1]
    return [line.rstrip() for line in re.sub(r"\x1b\[[?\d;]*\w", "", last).splitlines()]


def test_a_terminal_shows_the_rounds_as_they_end_and_keeps_them_after_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = open_terminal(monkeypatch)
    rows = [
        record(n, test=val, val=val, remaining=0.8**n)["row"]
        for n, val in enumerate((0.95, 0.97, 0.96, 0.9, 0.93, 0.94))
    ]
    progress = Progress()

    def train() -> None:
        with progress.running([0, 1, 2, 3, 4, 5, 6], [100] * 7):
            progress.show_rows(rows[:1])
            progress.show_rows(rows)
            progress.begin_round(6, 100)
            for score in (float("nan"), 0.5, 0.9, 0.9):
                progress.advance(20, score)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    header, *lines, by_round, bar = _last_screen(terminal)
    assert header.split()[:2] == ["round", "remaining"]
    assert [line.split()[0] for line in lines] == ["2", "3", "4", "5"]  # what there is room for
    assert by_round == "val by round ▆█▇▁▄▅ 90.00 to 97.00 %"
    assert re.match(r"round 6/6 .* step 80/100 val 90.00 % ▁█", bar)


def test_a_score_that_is_not_finite_has_no_bar() -> None:
    assert sparkline([1.0, math.inf, 2.0, math.nan], width=8) == "▁█"
    assert sparkline([math.inf], width=8) == ""


def test_a_terminal_is_empty_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    progress = Progress()
    with progress.running([0], [100]):
        progress.show_rows([record(0, test=0.95, val=0.95, remaining=1.0)["row"]])
    assert _last_screen(terminal) == []


@pytest.mark.parametrize("variable", [LINES, {"TERM": "dumb"}])
def test_lines_on_a_terminal_that_runs_share_or_that_cannot_redraw(
    monkeypatch: pytest.MonkeyPatch, variable: dict[str, str]
) -> None:
    terminal = open_terminal(monkeypatch)
    monkeypatch.setattr(sys, "__stderr__", terminal)
    handler, record = StderrHandler(), logging.makeLogRecord({"name": INSTEAD_OF_SCREEN})
    handler.emit(record)
    assert terminal.getvalue() == ""
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    handler.emit(record)
    with Progress().running([0], [100]):
        pass
    assert terminal.getvalue() == "\n"  # the record, which is empty, and no screen


def test_a_terminal_shows_a_bar_and_ctrl_c_says_how_to_carry_on(folder: Path) -> None:
    try:
        leader, follower = pty.openpty()
    except OSError as error:
        pytest.skip(f"this machine has no terminals: {error}")
    command = ForkedCommand(*LONG, before=lambda: os.dup2(follower, sys.stderr.fileno()))
    os.close(follower)
    screen = ""
    while not re.search(r"step \d+/50000 val", screen):
        screen += os.read(leader, 4096).decode(errors="replace")
    assert "round 0/1" in screen
    os.kill(command.pid, signal.SIGINT)
    rest = ""
    try:
        while chunk := os.read(leader, 4096):
            rest += chunk.decode(errors="replace")
    except OSError:  # a terminal whose last writer has gone
        pass
    finally:
        os.close(leader)
    assert command.wait().code == 130
    assert f"resume with: lottery {' '.join(LONG)}" in rest
    assert "Traceback" not in rest

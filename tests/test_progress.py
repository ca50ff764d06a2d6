"""Progress: a bar on a terminal; elsewhere, and in the log file, lines."""

import logging
import os
import pty
import re
import signal
import sys
from pathlib import Path

import pytest

from lottery.progress import Progress
from tests.helpers.forked import ForkedCommand

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

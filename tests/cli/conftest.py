"""Fixtures for tests of the commands: those that read a run, in the test's own process."""

from collections.abc import Callable
from functools import partial

import pytest

from lottery.cli import compare as compare_command
from lottery.cli import report as report_command
from lottery.cli import stability as stability_command
from lottery.report import write
from tests.conftest import Done


@pytest.fixture
def report(in_process: Callable[..., Done]) -> Callable[..., Done]:
    """`report("outputs")` runs the command in this process, in an empty folder."""
    return partial(in_process, report_command.main, "lottery-report")


@pytest.fixture
def stability(in_process: Callable[..., Done]) -> Callable[..., Done]:
    """`stability(run, "--pairs", "1")` runs the command in this process."""
    return partial(in_process, stability_command.main, "lottery-stability")


@pytest.fixture
def compare(in_process: Callable[..., Done]) -> Callable[..., Done]:
    """`compare(run, other)` runs the command in this process."""
    return partial(in_process, compare_command.main, "lottery-compare")


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pictures, which take half of a report's time."""
    monkeypatch.setattr(write, "save_figure", lambda figure, folder: None)

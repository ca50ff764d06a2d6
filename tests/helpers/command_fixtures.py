"""Fixtures for the other commands, in the test's own process; conftest.py has `lottery`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from lottery.cli import claims as claims_command
from lottery.cli import compare as compare_command
from lottery.cli import data as data_command
from lottery.cli import report as report_command
from lottery.cli import stability as stability_command
from lottery.cli import ticket as ticket_command
from lottery.report import write
from lottery.ticket import verify
from tests.conftest import Done


@pytest.fixture
def lottery_data(with_own_log: Callable[..., Done]) -> Callable[..., Done]:
    """`lottery_data("download", "mnist")` runs the command in this process."""
    return partial(with_own_log, data_command.main, "lottery-data")


@pytest.fixture
def ticket(
    in_process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """`ticket(run, "--round", 1)` runs the command and its measurements in this process."""
    threads = torch.get_num_threads()

    def measure_here(*arguments: Any) -> verify.Scores:
        try:
            return verify.measure_scores(*arguments)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(False)

    monkeypatch.setattr(verify, "measure_in_fresh_process", measure_here)
    return partial(in_process, ticket_command.main, "lottery-ticket")


@pytest.fixture
def report(in_process: Callable[..., Done]) -> Callable[..., Done]:
    """`report("outputs")` runs the command in this process, in an empty folder."""
    return partial(in_process, report_command.main, "lottery-report")


@pytest.fixture
def claims(in_process: Callable[..., Done]) -> Callable[..., Done]:
    """`claims("judge", "outputs")` runs the command in this process, in an empty folder."""
    return partial(in_process, claims_command.main, "lottery-claims")


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

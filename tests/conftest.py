"""What all tests share: the command in the test's own process, and quick settings."""

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

from lottery import app

# Small networks gain nothing from a second thread, and two threads that share a busy machine
# wait for each other.
torch.set_num_threads(1)

QUICK = ("rounds=2", "iterations=40", "evaluation.every=20", "trainer.threads=1")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def run(self) -> Path:
        """The folder on the last line of stdout."""
        return Path(self.out.splitlines()[-1])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lottery(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """`lottery("rounds=1")` runs the command in this process, in an empty folder."""
    path = list(sys.path)

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["lottery", *arguments])
        monkeypatch.setattr(app, "_command", app.Command())
        GlobalHydra.instance().clear()
        capfd.readouterr()
        code = 0
        try:
            app.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        _close_log_files()
        captured = capfd.readouterr()
        return Done(code, captured.out, captured.err)

    yield call
    sys.path[:] = path


def _close_log_files() -> None:
    for handler in list(logging.getLogger().handlers):
        if isinstance(handler, logging.FileHandler):
            handler.close()
            logging.getLogger().removeHandler(handler)

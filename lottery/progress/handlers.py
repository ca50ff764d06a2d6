"""Log handlers: a run's log file, and a console that a live screen may share."""

import logging
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, TextIO

INSTEAD_OF_SCREEN = "lottery.progress"  # the logger of lines whose content the live screen shows
LINES = {"LOTTERY_PROGRESS": "lines"}  # in the environment: lines on a terminal, too


def wants_lines() -> bool:
    """Return whether a terminal gets lines: several runs share it, or its cursor cannot move."""
    return os.environ.items() >= LINES.items() or os.environ.get("TERM") in ("dumb", "unknown")


class LogFile(logging.FileHandler):
    """A run's log file, never a link; on a full disk, lines are lost without a message."""

    def _open(self) -> TextIOWrapper:
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)

        return open(
            self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=opener
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, after opening the file if need be."""
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Print errors in a log call, but not errors of the disk."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        """Close the file, with or without its last lines."""
        with suppress(OSError):
            super().close()


class StderrHandler(logging.StreamHandler[TextIO]):
    """A console handler that looks sys.stderr up each time, because a live screen replaces it.

    It leaves out the lines whose content the screen shows.
    """

    def __init__(self, stream: Any = None) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Standard error as it is now."""
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless a live screen shows it."""
        is_terminal = sys.__stderr__ is not None and sys.__stderr__.isatty()
        if not (is_terminal and not wants_lines() and record.name == INSTEAD_OF_SCREEN):
            super().emit(record)

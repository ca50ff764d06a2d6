"""Log handlers: a run's log file, and a console that a live bar may share."""

import logging
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, TextIO

INSTEAD_OF_BAR = "lottery.progress"  # the logger of the lines that replace the bar


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
    """A console handler that looks sys.stderr up each time, because a live bar replaces it.

    It leaves out the lines that replace the bar, if there is a bar.
    """

    def __init__(self, stream: Any = None) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Standard error as it is now."""
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless it replaces the bar and the bar is there."""
        has_bar = sys.__stderr__ is not None and sys.__stderr__.isatty()
        if not (has_bar and record.name == INSTEAD_OF_BAR):
            super().emit(record)

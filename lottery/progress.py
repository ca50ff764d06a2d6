"""Where a run is: a live bar on a terminal, a line now and then elsewhere and in the log file."""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

log = logging.getLogger(__name__)

LINE_EVERY_S = 30.0


class Display(Protocol):
    """What a training tells how far it is."""

    def begin_round(self, number: int, steps: int, made: int = 0) -> None:
        """A round's training begins, or goes on."""
        ...

    def advance(self, steps: int, accuracy: float) -> None:
        """Some steps are made."""
        ...


class Progress:
    """Counts the steps of all rounds to come.

    Args:
        line_every_s: seconds between lines in the log.
        unit: what is counted, where it is something else than rounds.
    """

    def __init__(self, line_every_s: float = LINE_EVERY_S, unit: str = "round") -> None:
        self.line_every_s = line_every_s
        self.unit = unit
        self._bar: RichProgress | None = None
        self._rounds: Sequence[int] = ()
        self._steps: Sequence[int] = ()
        self._total = self._done = self._before_round = 0
        self._round = self._round_steps = self._made_earlier = 0
        self._accuracy = float("nan")
        self._begun = self._last_line = 0.0

    @contextmanager
    def running(
        self, rounds: Sequence[int], steps: Sequence[int], *, visible: bool = True
    ) -> Iterator[None]:
        """Show progress while the rounds are done.

        Args:
            rounds: numbers of the rounds to come.
            steps: optimizer steps of each.
            visible: false for all processes of a run but one.
        """
        self._rounds, self._steps, self._total, self._done = rounds, steps, sum(steps), 0
        self._begun = self._last_line = time.monotonic()
        if not visible or not sys.stderr.isatty():
            yield
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[where]}"),
            TimeRemainingColumn(),
        )
        # Rich takes sys.stderr over while it is live, so that log lines go above the bar.
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
            bar.add_task("", total=self._total, where="")
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def begin_round(self, number: int, steps: int, made: int = 0) -> None:
        """A round's training begins, or goes on.

        Args:
            number: the round.
            steps: its optimizer steps.
            made: how many of them were made earlier.
        """
        if number in self._rounds:  # whatever the rounds before have left out, early stopping say
            self._done = sum(self._steps[: self._rounds.index(number)])
        self._round, self._round_steps, self._before_round = number, steps, self._done
        self._done += made
        self._made_earlier += made
        self._show()

    def advance(self, steps: int, accuracy: float) -> None:
        """Some steps are made.

        Args:
            steps: how many.
            accuracy: on the validation split, the latest; nan before the first.
        """
        self._done += steps
        self._accuracy = accuracy
        self._show()
        now = time.monotonic()
        if now - self._last_line >= self.line_every_s:
            self._last_line = now
            made_here = max(1, self._done - self._made_earlier)
            left = (now - self._begun) / made_here * (self._total - self._done)
            log.info("%s, %s left", self._where(), timedelta(seconds=round(left)))

    def _where(self) -> str:
        last = self._rounds[-1] if self._rounds else self._round
        made = self._done - self._before_round
        text = f"{self.unit} {self._round}/{last} step {made}/{self._round_steps}"
        known = self._accuracy == self._accuracy
        return f"{text} val {100 * self._accuracy:.2f} %" if known else text

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0],
                completed=self._done,
                description=f"{self.unit} {self._round}/{self._rounds[-1]}",
                where=self._where().split(" ", 2)[2],
            )


class LogFile(logging.FileHandler):
    """A run's log file; on a full disk lines are lost, and nothing is printed about it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Print what is wrong with a log call, but not with the disk."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        """Close the file, with or without its last lines."""
        with suppress(OSError):
            super().close()


class StderrHandler(logging.StreamHandler[TextIO]):
    """A console handler that asks for sys.stderr each time, which a live bar replaces.

    The lines that stand in for the bar are left out where there is one.
    """

    def __init__(self, stream: Any = None) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Standard error as it is now."""
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless it stands in for the bar and the bar is there."""
        if record.name != __name__ or not sys.__stderr__ or not sys.__stderr__.isatty():
            super().emit(record)

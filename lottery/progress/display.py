"""How far a run is, in optimizer steps of all its rounds."""

import logging
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from lottery.progress.handlers import INSTEAD_OF_SCREEN, wants_lines
from lottery.progress.screen import Screen
from lottery.record.schema import Row
from lottery.record.score import ACCURACY, Score

log = logging.getLogger(INSTEAD_OF_SCREEN)

LINE_EVERY_S = 30.0


class Display(Protocol):
    """What a training reports to."""

    def begin_round(self, number: int, steps: int, made: int = 0) -> None:
        """Note that a round's training begins, or goes on after `made` of its steps."""
        ...

    def advance(self, steps: int, score: float) -> None:
        """Note steps, and the latest validation score."""
        ...


class Progress:
    """Counts the steps of all rounds to come. `unit` is the word for a round."""

    def __init__(
        self,
        line_every_s: float = LINE_EVERY_S,
        unit: str = "round",
        score: Score = ACCURACY,
    ) -> None:
        self.line_every_s = line_every_s
        self.score = score
        self.unit = unit
        self._screen: Screen | None = None
        self._rounds: Sequence[int] = ()
        self._steps: Sequence[int] = ()
        self._round = self._round_steps = 0
        self._done = self._before_round = self._made_earlier = 0
        self._val = math.nan
        self._curve: list[float] = []  # of the running round, where it has changed
        self._begun = self._last_line = 0.0

    @property
    def steps_left(self) -> int:
        """Steps still to be made in all rounds."""
        return max(0, sum(self._steps) - self._done)

    @contextmanager
    def running(
        self, rounds: Sequence[int], steps: Sequence[int], *, visible: bool = True
    ) -> Iterator[None]:
        """Show progress while rounds of so many steps are done; one process of a run shows it."""
        self._rounds, self._steps, self._done = rounds, steps, 0
        self._begun = self._last_line = time.monotonic()
        if not visible or not sys.stderr.isatty() or wants_lines():
            yield
            return
        with Screen(sum(steps)) as screen:
            self._screen = screen
            try:
                yield
            except BaseException:
                screen.live.transient = False  # what is finished stays in sight
                raise
            finally:
                self._screen = None

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show the rounds that are finished, on a terminal."""
        if self._screen is not None and rows:
            self._screen.show_rows(rows, self.score)

    def begin_round(self, number: int, steps: int, made: int = 0) -> None:
        """Note that a round's training begins, or goes on after `made` of its steps."""
        if number in self._rounds:  # early stopping may have left out steps of earlier rounds
            self._done = sum(self._steps[: self._rounds.index(number)])
        self._round, self._round_steps, self._before_round = number, steps, self._done
        self._done += made
        self._made_earlier += made
        self._curve = []
        self._show()

    def advance(self, steps: int, score: float) -> None:
        """Note steps, and the latest validation score; nan before the first."""
        self._done += steps
        self._val = score
        if not math.isnan(score) and self._curve[-1:] != [score]:
            self._curve.append(score)
        self._show()
        now = time.monotonic()
        if now - self._last_line >= self.line_every_s:
            self._last_line = now
            made_here = max(1, self._done - self._made_earlier)
            seconds_left = (now - self._begun) / made_here * self.steps_left
            left = timedelta(seconds=round(seconds_left))
            log.info("%s %s, %s left", self._round_text(), self._step_text(), left)

    def _round_text(self) -> str:
        last = self._rounds[-1] if self._rounds else self._round
        return f"{self.unit} {self._round}/{last}"

    def _step_text(self) -> str:
        text = f"step {self._done - self._before_round}/{self._round_steps}"
        if math.isnan(self._val):
            return text
        return f"{text} val {self.score.format(self._val)} {self.score.unit}".rstrip()

    def _show(self) -> None:
        if self._screen is not None:
            self._screen.update(
                self._screen.bar,
                completed=self._done,
                description=self._round_text(),
                where=self._step_text(),
                curve=self._screen.curve(self._curve),
            )


@dataclass(frozen=True)
class TrainingProgress:
    """The display of one training among several, which counts trainings instead of rounds."""

    progress: Progress
    number: int

    def begin_round(self, number: int, steps: int, made: int = 0) -> None:
        """Note that the training begins or is continued."""
        self.progress.begin_round(self.number, steps, made)

    def advance(self, steps: int, score: float) -> None:
        """Note that some steps are made."""
        self.progress.advance(steps, score)

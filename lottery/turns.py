"""Threads that take turns: one runs, the others wait, and each finds global state as it left it.

PyTorch's generators, the handlers of log lines and much more are one for the whole process. Runs
in threads would disturb each other if two of them ran at the same time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class Turns:
    """The turns of some threads, which are known by their numbers, from 0.

    Of the threads that can run, the one with the lowest number does. It runs until it ends, waits
    for the others in `meet`, or goes `away`.

    Args:
        number: of threads.
        read: returns the global state.
        write: puts a state back.
    """

    def __init__(
        self, number: int, *, read: Callable[[], Any], write: Callable[[Any], None]
    ) -> None:
        self._read, self._write = read, write
        self._states = [read()] * number
        self._ready, self._waiting = set(range(number)), set[int]()
        self._running: int | None = None
        self._changed = threading.Condition()

    @contextmanager
    def seat(self, number: int) -> Iterator[None]:
        """Be thread `number`: wait for the first turn; at the end leave the others for good."""
        token = _seat.set((self, number))
        try:
            self._take(number)
            yield
        finally:
            _seat.reset(token)
            self._pass_on(number, set())  # also where the global state cannot be read any more

    def meet(self, number: int, serve: Callable[[], set[int]]) -> None:
        """Wait, as thread `number`, until it is served.

        When every thread waits that has not ended or gone away, one of them calls `serve`, which
        returns the numbers of the threads that need not wait any longer: one at least.
        """
        self._leave(number, self._waiting)
        while True:
            self._take(number)
            if number in self._ready:
                return
            served = serve() & self._waiting  # not those that have gone
            with self._changed:
                self._waiting -= served
                self._ready |= served
            if number in self._ready:
                return
            self._leave(number, self._waiting)

    @contextmanager
    def away(self, number: int) -> Iterator[None]:
        """Let the others run and meet, while this thread waits for something else."""
        self._leave(number, set())
        try:
            yield
        finally:
            with self._changed:
                self._ready.add(number)
            self._take(number)

    def _take(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._running is None and self._next() == number)
            self._running = number
        self._write(self._states[number])

    def _next(self) -> int | None:
        return min(self._ready or self._waiting, default=None)

    def _leave(self, number: int, others: set[int]) -> None:
        """End a turn, and wait among `others`."""
        self._states[number] = self._read()
        self._pass_on(number, others)

    def _pass_on(self, number: int, others: set[int]) -> None:
        with self._changed:
            self._ready.discard(number)
            self._waiting.discard(number)
            others.add(number)
            self._running = None
            self._changed.notify_all()


_seat: ContextVar[tuple[Turns, int] | None] = ContextVar("_seat", default=None)


def my_number() -> int:
    """Return this thread's number among those that take turns; 0 for a thread that is alone."""
    seat = _seat.get()
    return seat[1] if seat else 0


@contextmanager
def away() -> Iterator[None]:
    """Let the other threads run meanwhile, if this one takes turns with others."""
    seat = _seat.get()
    if seat is None:
        yield
        return
    turns, number = seat
    with turns.away(number):
        yield

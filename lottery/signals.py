"""Stop a run when a signal asks for it: the request is noted, and obeyed after a step."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Make `SIGNALS` call a handler; afterwards they do what they did before.

    Signals that are ignored stay ignored, as under nohup or in a background job of a shell script.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, earlier in before.items():
        if earlier != signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


class Stopped(BaseException):
    """A run has stopped because a signal asked it to; its checkpoint is written.

    `where` tells its step. It is no Exception, so that code that handles errors lets it pass.
    """

    def __init__(self, signum: int, where: str) -> None:
        super().__init__(signum, where)
        self.signum = signum
        self.where = where

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signum).name} {self.where}".rstrip()


class StopRequest:
    """Whether a signal has asked to stop."""

    def __init__(self) -> None:
        self._noted = 0
        self._main: StopRequest | None = None

    @property
    def signum(self) -> int:
        """The number of the signal; 0 as long as there was none."""
        return self._noted or (self._main.signum if self._main else 0)

    @signum.setter
    def signum(self, number: int) -> None:
        self._noted = number

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note the signals; afterwards they do what they did before.

        Only the main thread may set signal handlers. A run in another thread asks the request that
        the main thread notes them in, if there is one.
        """
        if threading.current_thread() is not threading.main_thread():
            self._main = of_main_thread.get()
            yield
            return
        self.signum = 0
        with handling(self._note):
            yield

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self.signum == signum == signal.SIGINT:  # a second Ctrl-C stops without a checkpoint
            raise KeyboardInterrupt
        self.signum = self.signum or signum


of_main_thread: ContextVar[StopRequest | None] = ContextVar("of_main_thread", default=None)

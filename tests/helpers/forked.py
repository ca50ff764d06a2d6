"""The command in a fork of the test's process, which need not import Lightning: that takes 5 s."""

import os
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra

from lottery.cli import train
from tests.conftest import PATIENCE, Done


class ForkedCommand:
    """`lottery` in the background. What it prints goes to two files in the current folder.

    Args:
        arguments: of the command
        before: called in the new process first; by default the process leads a session
    """

    def __init__(self, *arguments: str, before: Callable[[], object] = os.setsid) -> None:
        self._out, self._err = Path("stdout.txt"), Path("stderr.txt")
        self._process = get_context("fork").Process(target=self._be, args=(arguments, before))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def err(self) -> str:
        """What it has written on stderr so far."""
        return self._err.read_text() if self._err.exists() else ""

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def kill(self) -> None:
        """Kill it, if it is alive."""
        self._process.kill()
        self._process.join()

    def wait(self) -> Done:
        """Return what it did; the exit code is minus the signal that killed it."""
        self._process.join(PATIENCE)
        assert self._process.exitcode is not None, "it hangs"
        return Done(self._process.exitcode, self._out.read_text(), self.err)

    def _be(self, arguments: tuple[str, ...], before: Callable[[], object]) -> None:
        print_to(self._out, self._err)
        before()
        be_the_command(*arguments)


def print_to(out: Path, err: Path) -> None:
    """Let this process print to two files, from the lowest level on."""
    for number, name, path in ((1, "stdout", out), (2, "stderr", err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        setattr(sys, name, os.fdopen(number, "w", buffering=1, closefd=False))


def be_the_command(*arguments: str) -> None:
    """Run `lottery` in this process, which is a fork."""
    GlobalHydra.instance().clear()
    sys.argv = ["lottery", *arguments]
    train.main()

"""The error that a user can do something about: one line and an exit code, no traceback.

Its other subclasses stand where they are raised.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

FAILED = 1  # something happened to a run: a full disk, a killed process, a damaged file
MISTAKE = 2  # the user made a mistake: a wrong value, a missing file, a folder that is in use


def escaped(text: str) -> str:
    r"""Return a text with escapes for what would break its line or command a terminal.

    Example:
        >>> print(escaped("grün\n.png"))
        grün\n.png
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class LotteryError(Exception):
    """An error whose message is the one line that a user needs.

    The message is its only argument, so that it survives the way between two processes.
    """

    exit_code = FAILED  # of a command that it ends

    def __str__(self) -> str:
        """Return the message as one line of printable characters, whatever values it shows."""
        return escaped(" ".join(super().__str__().splitlines()))


class ConfigError(LotteryError):
    """A mistake in the config or in what it points to; nothing was written."""

    exit_code = MISTAKE


class UntrustedCode(ConfigError):
    """A stored file names code that is neither ours nor torch's.

    Args:
        reason: the file, what it names, and the modules that would be imported.
    """

    def __str__(self) -> str:
        return f"{self.reason}; if you trust its author: trust_code=True"

    @property
    def reason(self) -> str:
        """The message without what to do about it, which differs between Python and a command."""
        return super().__str__()


class NoRun(LotteryError, FileNotFoundError):
    """There is no run in a folder; the message names the folder."""

    exit_code = MISTAKE


class OutOfMemory(LotteryError):
    """The machine, or its GPU, has not the memory that was asked for."""


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise what Python, numpy and torch raise for want of memory as OutOfMemory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_of_memory(error):
            raise
        where = "GPU" if "CUDA" in str(error) else "CPU"
        raise OutOfMemory(
            f"out of memory on the {where}{_asked_for(str(error))}; free some and start the same "
            "command again, or take a smaller dataset.batch_size, network or dataset"
        ) from error


def _is_of_memory(error: Exception) -> bool:
    # torch has a class for GPUs, which is a RuntimeError; for CPUs it has none
    said = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError) or any(words in str(error) for words in said)


def _asked_for(text: str) -> str:
    found = re.search(r"to allocate ([\d.]+) (\w+)", text)
    if found is None:
        return ""
    number, unit = found.groups()
    size = f"{float(number) / 2**30:.1f} GiB" if unit == "bytes" else f"{number} {unit}"
    return f": {size} asked for"

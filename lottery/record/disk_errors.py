"""What a full, read-only or failing disk does to a run, in one line."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lottery.errors import LotteryError

# What disks do, as opposed to what code does
DISK_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
)


class DiskError(LotteryError):
    """The disk is full, has become read-only, or is failing."""


@contextmanager
def disk_errors_in(folder: Path) -> Iterator[None]:
    """Raise the errors of a run's disk as a DiskError, in a user's words.

    Args:
        folder: the run's; not every error names its file.

    Raises:
        DiskError: instead of the OSError.
    """
    before = threading.excepthook

    def print_others(args: threading.ExceptHookArgs) -> None:
        # TensorBoard's thread passes its error on to us, and prints it all the same.
        if _describe(args.exc_value, folder) is None:
            before(args)

    threading.excepthook = print_others
    try:
        yield
    except OSError as error:
        line = _describe(error, folder)
        if line is None:
            raise
        raise DiskError(line) from error
    finally:
        threading.excepthook = before


def _describe(error: BaseException | None, folder: Path) -> str | None:
    """A line for an error of the disk; None for one of code, whose traceback is needed."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    name = str(error.filename or folder)
    lost = isinstance(error, FileNotFoundError) and folder in Path(name).parents
    if error.errno not in DISK_ERRORS and not lost:
        return None
    what = os.strerror(error.errno)
    return f"{what[0].lower()}{what[1:]}: {name}"

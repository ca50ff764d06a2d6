"""Turn the errors of a full, read-only or failing disk into one line."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Errors of disks; other numbers are errors of code
DISK_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
)


class DiskError(Exception):
    """The disk is full, has become read-only, or is failing."""


@contextmanager
def disk_errors_in(folder: Path) -> Iterator[None]:
    """Raise the errors of a run's disk as a DiskError, in a user's words.

    Args:
        folder: the run's folder, for errors that do not name their file.

    Raises:
        DiskError: instead of the OSError.
    """
    before = threading.excepthook

    def print_others(args: threading.ExceptHookArgs) -> None:
        # TensorBoard's thread passes its error on to us, but prints it as well.
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
    """Return a line for an error of the disk; None for an error of code."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    name = str(error.filename or folder)
    lost = isinstance(error, FileNotFoundError) and folder in Path(name).parents
    if error.errno not in DISK_ERRORS and not lost:
        return None
    what = os.strerror(error.errno)
    return f"{what[0].lower()}{what[1:]}: {name}"

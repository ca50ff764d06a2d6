"""A disk that is full, read-only or failing: what it does to a run, told in one line."""

import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lottery.errors import ConfigError, LotteryError

PROBE_BYTES = 1 << 16  # Hydra writes some kilobytes before anybody can handle its errors
# Errors of the disk, not of code; the last ones: something else is in a file's or folder's place
DISK_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
    | {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP}
)


class DiskError(LotteryError):
    """The disk is full, has become read-only, or is failing."""


@contextmanager
def disk_errors_in(folder: Path) -> Iterator[None]:
    """Raise errors of the disk as DiskError; one without a file's name names the folder."""
    before = threading.excepthook

    def print_others(args: threading.ExceptHookArgs) -> None:
        # TensorBoard's thread passes its error on to us, and prints it too
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


def check_writable(folder: Path, name: str) -> None:
    """Check that a folder, there or not, can be written; `name` is the user's key for it."""
    try:
        paths = (folder, *folder.parents)
        existing = next(path for path in paths if path.exists() or path.is_symlink())
        with tempfile.TemporaryFile(dir=existing) as file:  # os.access is wrong for root
            file.write(bytes(PROBE_BYTES))
            file.flush()
    except OSError as error:
        raise ConfigError(f"{name}: {folder} cannot be written: {error.strerror}") from error


def _describe(error: BaseException | None, folder: Path) -> str | None:
    """Return a line for an error of the disk; None for one of code, which needs its traceback."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    name = str(error.filename or folder)
    lost = isinstance(error, FileNotFoundError) and folder in Path(name).parents
    if error.errno not in DISK_ERRORS and not lost:
        return None
    what = os.strerror(error.errno)
    return f"{what[0].lower()}{what[1:]}: {name}"

"""Remember that all bytes of a large file had a digest, so that not every start reads them."""

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from lottery.data.files import open_data
from lottery.record.files import write_text

MOST_BYTES = 256  # of the small file beside the large one


def status_of(file: BinaryIO) -> str:
    """Return what changes when anybody writes an open file, or puts another in its place.

    A program can set the time of the content (mtime), but not that of the status (ctime).
    """
    found = os.fstat(file.fileno())
    return f"{found.st_size} {found.st_ino} {found.st_mtime_ns} {found.st_ctime_ns}"


def is_checked(path: Path, digest: str, status: str) -> bool:
    """Return whether a file with this status had this digest when all its bytes were read."""
    try:
        with open_data(_note_on(path)) as file:
            return file.read(MOST_BYTES) == f"{digest} {status}".encode()
    except OSError:
        return False


def note_checked(path: Path, digest: str, status: str) -> None:
    """Note that all bytes of a file with this status were read, and had this digest."""
    with suppress(OSError):  # beside a file that only others may write; it is read again then
        write_text(_note_on(path), f"{digest} {status}")


def _note_on(path: Path) -> Path:
    return path.with_suffix(".checked")

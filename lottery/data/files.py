"""Read data files whole, with one line for each that cannot be read."""

import codecs
import os
import stat
from errno import EINVAL
from pathlib import Path
from typing import BinaryIO

from lottery.data.errors import DataError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SAVE_AS = "save it as UTF-8"


def exists(path: Path) -> bool:
    """Tell if a file or folder is there; a DataError if that cannot be told, as without rights."""
    try:
        return path.exists()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def sorted_entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Return what is in a folder, sorted by name; nothing hidden."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from error
    return sorted(found, key=lambda entry: entry.name)


def open_data(path: Path) -> BinaryIO:
    """Open a file to read bytes; an OSError if it is no regular file, such as a fifo or a device.

    The call never waits. A read from a fifo may wait for ever, and a device may never end.
    """
    file = open(path, "rb", opener=_never_waiting)  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(EINVAL, "no regular file", str(path))


def _never_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file."""
    try:
        with open_data(path) as file:
            return file.read()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def decode_text(path: Path, content: bytes) -> str:
    """Return the text of a file in UTF-8; spreadsheets put a mark at its front."""
    # without a mark at its front, every second byte of English text is 0
    if content[:2] in UTF_16 or b"\0" in content[:2]:
        raise DataError(f"{path}: row 1: encoded in UTF-16, not in UTF-8; {SAVE_AS}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: row {row}: not UTF-8; {SAVE_AS}") from error

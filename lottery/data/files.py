"""Read data files whole, with one line for each that cannot be read."""

import codecs
from pathlib import Path

from lottery.data.errors import DataError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def decode_text(path: Path, content: bytes) -> str:
    """Return the text of a file in UTF-8; spreadsheets put a mark at its front."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        encoding = "encoded in UTF-16, not in UTF-8" if content[:2] in UTF_16 else "not UTF-8"
        raise DataError(f"{path}: row {row}: {encoding}") from error

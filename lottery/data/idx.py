"""Read the idx format of MNIST: a magic number, sizes, and bytes; gzipped or not."""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lottery.data.errors import DataError
from lottery.data.files import open_data

UNSIGNED_BYTES = 8
MOST_BYTES = 2**30  # MNIST's largest file has 47 million; a small damaged .gz may grow without end


def read_idx(path: Path, num_dimensions: int) -> npt.NDArray[np.uint8]:
    """Return the array in a file, gzipped if its name ends in .gz: a DataError if it has another.

    `num_dimensions` is 3 for images (count, rows, columns), 1 for labels.
    """
    content = read_bytes(path)
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTES]):
        raise DataError(f"{path}: not an idx file of unsigned bytes")
    if content[3] != num_dimensions:
        wanted = "images" if num_dimensions == 3 else "labels"
        raise DataError(f"{path}: {content[3]} dimensions, {num_dimensions} for {wanted}")
    header = 4 + 4 * num_dimensions
    if len(content) < header:
        raise DataError(f"{path}: cut off in its header, {len(content)} bytes")
    shape = [int(size) for size in np.frombuffer(content[4:header], dtype=">u4")]
    expected = header + prod(shape)
    if len(content) != expected:
        raise DataError(f"{path}: {len(content)} bytes, {expected} by its header")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def read_bytes(path: Path) -> bytes:
    """Return a file's content, decompressed if its name ends in .gz."""
    try:
        with open_data(path) as file:
            unpacked = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            content = unpacked.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > MOST_BYTES:
        raise DataError(f"{path}: more than {MOST_BYTES:,} bytes")
    return content

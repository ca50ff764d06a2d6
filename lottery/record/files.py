"""Read and write files and folders, whole or not at all."""

import csv
import errno
import hashlib
import io
import json
import math
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from lottery.errors import LotteryError

# Bounds of a JSON file. A record of a million evaluations has half of these bytes.
MOST_BYTES = 1 << 28
MOST_LEVELS = 64
MOST_DIGITS = 300  # so that every number fits a float
NESTED = f"nested more than {MOST_LEVELS} deep"
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a fifo",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class DamagedFile(LotteryError):
    """A file of a run is not what was written; the message names it and says what to do."""


@contextmanager
def replacing(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield a path aside to write to, then rename it over `path`: nobody sees half a file.

    After an exception `path` is as it was. An OSError names `path`, also one of a full disk. A
    file of a run has one writer, as the run is locked. A file that is `shared` may have several
    at once; the last one's stays.
    """
    own = f".{uuid4().hex}" if shared else ""
    aside = path.with_name(f".{path.name}{own}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)  # a fifo would keep the writer waiting, a link lead it away
        yield aside
        _sync(aside)  # the content is on disk before the name points to it
        aside.replace(path)
        _sync(path.parent)  # the name is on disk before anybody relies on it
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(aside)):
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        with suppress(OSError):  # a folder that has become read-only
            aside.unlink(missing_ok=True)


@contextmanager
def creating_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder aside to fill, then give it its name: it is whole or not there."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")  # others may write the same
    try:
        aside.mkdir(parents=True)
        yield aside
        _sync(aside)
        aside.rename(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str, *, shared: bool = False) -> None:
    """Replace a text file, whole or not at all; `shared` as in `replacing`."""
    with replacing(path, shared=shared) as aside:
        aside.write_text(text, encoding="utf-8")


def to_json(value: Any) -> str:
    """Return the text of a JSON file; NaN is refused because JSON has none."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_json(path: Path, value: Any, *, shared: bool = False) -> None:
    """Replace a JSON file, whole or not at all; `shared` as in `replacing`."""
    write_text(path, to_json(value), shared=shared)


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of a CSV file; the cell of a value that is None or missing is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def open_regular(path: Path, repair: str = "") -> BinaryIO:
    """Open a file to read it; a link, folder, fifo or device in its place is a DamagedFile."""
    try:
        # A fifo would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise damaged(path, "it is a link", repair) from error
        raise DamagedFile(f"{path}: cannot be read: {error.strerror}") from error
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise damaged(path, f"it is {KINDS.get(kind, 'no regular file')}", repair)
    return os.fdopen(descriptor, "rb")


def read_json(path: Path, repair: str = "") -> Any:
    """Return the content of a JSON file. Every fault is a DamagedFile of one line.

    Its nesting, its numbers and its size are bounded, so nothing later fails at them.

    Args:
        path: the file.
        repair: what a user can do about a damaged file, the end of the message.

    Raises:
        FileNotFoundError: there is no such file.
    """
    with open_regular(path, repair) as file:
        content = file.read(MOST_BYTES + 1)
    try:
        if len(content) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        value = json.loads(
            content.decode(),
            object_pairs_hook=_unique,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_whole,
        )
        _check_nesting(value)
    except UnicodeDecodeError as error:
        raise damaged(path, "not UTF-8", repair) from error
    except RecursionError as error:
        raise damaged(path, NESTED, repair) from error
    except ValueError as error:
        raise damaged(path, str(error) if content else "empty", repair) from error
    return value


def damaged(path: Path, fault: str, repair: str) -> DamagedFile:
    """Return the error of a damaged file: what is wrong, then what a user can do."""
    return DamagedFile("; ".join(filter(None, (f"{path}: damaged: {fault}", repair))))


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands in it twice")
    return entries


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is no finite number")
    return number


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _check_nesting(value: Any) -> None:
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(NESTED)


def json_digest(value: Any) -> str:
    """Return the sha256 of a value that JSON can hold; the order of its keys does not count."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

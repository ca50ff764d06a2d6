"""Read and write files and folders, whole or not at all."""

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lottery.errors import LotteryError


class DamagedFile(LotteryError):
    """A file of a run is not what was written; the message names it and says what to do."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path aside to write to, then rename it over `path`: nobody sees half a file.

    After an exception `path` is as it was. An OSError names `path`, also one of a full disk.
    """
    aside = path.with_name(f".{path.name}.part")  # one writer: the run is locked
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def write_text(path: Path, text: str) -> None:
    """Replace a text file, whole or not at all."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def to_json(value: Any) -> str:
    """Return the text of a JSON file; NaN is refused because JSON has none."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file, whole or not at all."""
    write_text(path, to_json(value))


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of a CSV file; the cell of a value that is None or missing is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_json(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def json_digest(value: Any) -> str:
    """Return the sha256 of a value that JSON can hold; the order of its keys does not count."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

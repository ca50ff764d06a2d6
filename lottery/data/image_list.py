"""Read the list of an image folder, `metadata.csv`: path, label and perhaps split."""

import csv
import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lottery.data.errors import DataError
from lottery.data.files import decode_text, read_bytes

LIST = "metadata.csv"
SPLITS = ("train", "val", "test")
SPLIT_NAME = re.compile(r"(train|val|test)(ing|id|idation)?\d*", re.IGNORECASE)


@dataclass(frozen=True)
class ListedImage:
    """A row of the list, and its file as it is now."""

    row: int | None  # the names of the columns are row 1; None if there is no list
    name: str  # path below the folder
    label: str
    split: str | None  # train, val or test; None if the list has no such column
    size: int  # of the file, bytes
    mtime_ns: int  # when the file changed last


def split_named(name: str) -> str | None:
    """Return the split that a name means; None if it means none.

    Example:
        >>> [split_named(name) for name in ("Train", "valid", "validation", "test1", "cat")]
        ['train', 'val', 'val', 'test', None]
    """
    match = SPLIT_NAME.fullmatch(name)
    return match[1].lower() if match else None


def read_list(folder: Path, text: str | None = None) -> list[ListedImage]:
    """Return the images that `metadata.csv` lists; every row is checked, but no image is opened.

    `text` is the list's content if it is not in the folder.
    """
    if text is None:
        text = decode_text(folder / LIST, read_bytes(folder / LIST))
    listed = list(_images(folder, text))
    labels = sorted({image.label for image in listed})
    if len(labels) < 2:
        found = f"one class only, {labels[0]!r}" if labels else "no image"
        raise DataError(f"{folder / LIST}: {found}; two classes or more expected")
    spelled: dict[str, str] = {}
    for label in labels:
        other = spelled.setdefault(label.strip(), label)
        if other != label:
            names = f"{other!r} and {label!r}"
            raise DataError(f"{folder / LIST}: labels {names} differ by spaces only")
    return listed


def bad_row(folder: Path, row: int | None, reason: str) -> DataError:
    """Return the error for a row of the list, or for the folder if there is no list."""
    where = folder if row is None else f"{folder / LIST}: row {row}"
    return DataError(f"{where}: {reason}")


def _images(folder: Path, text: str) -> Iterator[ListedImage]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    first_row: dict[str, int] = {}
    root = os.path.realpath(folder)
    try:
        _check_columns(folder, reader.fieldnames or ())
        for cells in reader:
            row = reader.line_num
            try:
                image = _image(row, cells, root)
            except ValueError as error:
                raise bad_row(folder, row, str(error)) from error
            if image.name in first_row:
                raise bad_row(folder, row, f"{image.name} is in row {first_row[image.name]} too")
            first_row[image.name] = row
            yield image
    except csv.Error as error:
        raise bad_row(folder, reader.reader.line_num, str(error)) from error


def _check_columns(folder: Path, found: Sequence[str]) -> None:
    lacking = [name for name in ("path", "label") if name not in found]
    if not lacking:
        return
    names = f"found {', '.join(map(repr, found))}" if found else "the file is empty"
    expected = "path,label and perhaps split are expected, in small letters, without spaces"
    for mark in (";", "\t"):
        if any(mark in name for name in found):
            expected = f"',' expected between columns, not {mark!r}"
    raise bad_row(folder, 1, f"no column {lacking[0]!r}; {names}; {expected}")


def _image(row: int, cells: dict[str, str | None], root: str) -> ListedImage:
    for column in ("path", "label", "split"):
        if column in cells and not cells[column]:
            raise ValueError(f"no {column}")
    name, split = str(cells["path"]), cells.get("split")
    if split is not None and split_named(split) is None:
        raise ValueError(f"split {split!r}: {', '.join(SPLITS)}")
    try:
        found = find_file(root, name)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return ListedImage(
        row=row,
        name=str(PurePosixPath(name)),  # one spelling: a file must not be in two splits
        label=str(cells["label"]),
        split=None if split is None else split_named(split),
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
    )


def find_file(root: str, name: str) -> os.stat_result:
    """Return size and times of a regular file below a folder's real path; else a ValueError."""
    full = os.path.realpath(f"{root}/{name}")
    upwards = name.startswith("/") or ".." in name.split("/")
    if upwards or os.path.commonpath([root, full]) != root:
        raise ValueError("outside of the folder")
    try:
        found = os.stat(full)  # noqa: PTH116  # 25,000 images in a second
    except OSError as error:
        raise ValueError(error.strerror) from error
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("no regular file")
    return found

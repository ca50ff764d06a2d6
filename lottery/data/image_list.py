"""The list of an image folder, `metadata.csv`: path, label and, if the user chose it, split."""

import csv
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from lottery.data.errors import DataError

LIST = "metadata.csv"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class ListedImage:
    """A row of the list, and its file as it is now.

    Args:
        row: in the list; the names of the columns are row 1. None where there is no list.
        name: path below the folder.
        label: its class.
        split: train, val or test; None where the list does not say.
        size: bytes.
        mtime_ns: when it changed last.
    """

    row: int | None
    name: str
    label: str
    split: str | None
    size: int
    mtime_ns: int


def read_list(folder: Path, text: str | None = None) -> list[ListedImage]:
    """The images that `metadata.csv` lists, every row checked but no image opened.

    Args:
        folder: holds the list and the images.
        text: the list's content, where it is not in the folder.

    Raises:
        DataError: naming the list and the row.
    """
    listed = list(_images(folder, _text(folder) if text is None else text))
    labels = sorted({image.label for image in listed})
    if len(labels) < 2:
        found = f"one class only, {labels[0]!r}" if labels else "no image"
        raise DataError(f"{folder / LIST}: {found}; two classes or more expected")
    return listed


def bad_row(folder: Path, row: int | None, reason: str) -> DataError:
    """The error for a row of the list, or for the folder where there is no list."""
    where = folder if row is None else f"{folder / LIST}: row {row}"
    return DataError(f"{where}: {reason}")


def _text(folder: Path) -> str:
    try:
        content = (folder / LIST).read_bytes()
    except OSError as error:
        raise DataError(f"{folder / LIST}: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")  # spreadsheets put a mark at the front
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise bad_row(folder, row, "not UTF-8") from error


def _images(folder: Path, text: str) -> Iterator[ListedImage]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    first_row: dict[str, int] = {}
    find = Files(folder)
    try:
        missing = [name for name in ("path", "label") if name not in (reader.fieldnames or ())]
        if missing:
            raise bad_row(folder, 1, f"no column {missing[0]!r}; path,label and perhaps split")
        for cells in reader:
            row = reader.line_num
            try:
                image = _image(row, cells, find)
            except ValueError as error:
                raise bad_row(folder, row, str(error)) from error
            if image.name in first_row:
                raise bad_row(folder, row, f"{image.name} is in row {first_row[image.name]} too")
            first_row[image.name] = row
            yield image
    except csv.Error as error:
        raise bad_row(folder, reader.reader.line_num, str(error)) from error


def _image(row: int, cells: dict[str, str | None], find: "Files") -> ListedImage:
    for column in ("path", "label", *(("split",) if "split" in cells else ())):
        if not cells[column]:
            raise ValueError(f"no {column}")
    name, label, split = str(cells["path"]), str(cells["label"]), cells.get("split")
    if split is not None and split not in SPLITS:
        raise ValueError(f"split {split!r}: {', '.join(SPLITS)}")
    found = find(name)
    # one spelling of "a/./b.jpg": a file must not be in two splits
    return ListedImage(
        row, str(PurePosixPath(name)), label, split, found.st_size, found.st_mtime_ns
    )


class Files:
    """The file of a name below a folder; 25,000 of them in less than a second."""

    def __init__(self, folder: Path) -> None:
        self.root = os.path.realpath(folder)
        self.is_inside = cache(self._is_inside)

    def __call__(self, name: str) -> os.stat_result:
        """How a file is.

        Raises:
            ValueError: it is outside of the folder, or there is none.
        """
        outside = f"{name} is outside of the folder"
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(outside)
        full = f"{self.root}/{name}"
        try:
            found = os.lstat(full)
            link = stat.S_ISLNK(found.st_mode)
            if not self.is_inside(full if link else os.path.dirname(full)):  # noqa: PTH120  # quick
                raise ValueError(outside)
            found = os.stat(full) if link else found  # noqa: PTH116
        except OSError as error:
            raise ValueError(f"{name}: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{name}: no file")
        return found

    def _is_inside(self, path: str) -> bool:
        return os.path.commonpath([self.root, os.path.realpath(path)]) == self.root

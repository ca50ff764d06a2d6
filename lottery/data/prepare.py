"""Make the list of an image folder from the names of its folders and files."""

import csv
import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

from lottery.data.decode import Unreadable, decode
from lottery.data.errors import DataError
from lottery.data.files import exists, open_data
from lottery.data.image_list import LIST, SPLITS, find_file, split_named
from lottery.data.progress_bar import track
from lottery.errors import escaped
from lottery.record.files import write_text

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
NUMBERED = re.compile(r"(.*\w)[\W_]+\d+\W*")  # cat.123, cat_1, cat (1)
NO_CLASS = "no class in its name, as in cat.123.jpg, or its folder's"
NO_SPLIT = "in none of the folders train, val and test, which others are in"


@dataclass(frozen=True)
class Found:
    """The images of a folder."""

    rows: list[tuple[str, str, str]]  # path, label, split; "" if the folders name no split
    left_out: list[tuple[str, str]]  # path and reason

    @property
    def has_splits(self) -> bool:
        """Whether the folders name the splits."""
        return any(split for _, _, split in self.rows)

    @property
    def complaints(self) -> list[str]:
        """A line for every image that is left out."""
        return [escaped(f"left out: {name}: {reason}") for name, reason in self.left_out]

    @property
    def csv(self) -> str:
        """The content of the list."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        width = 3 if self.has_splits else 2
        writer.writerows(row[:width] for row in [("path", "label", "split"), *self.rows])
        return text.getvalue()

    def __str__(self) -> str:
        """Return numbers of images per class and per split."""
        classes = Counter(label for _, label, _ in self.rows)
        counts = ", ".join(f"{count:,} {label}" for label, count in sorted(classes.items()))
        counts = f"{len(self.rows):,} images" + (f": {counts}" if counts else "")
        if self.has_splits:
            counts += f"; splits by folder: {self._splits()}"
        return escaped(f"{counts}; {len(self.left_out):,} left out")

    def _splits(self) -> str:
        splits = Counter(split for _, _, split in self.rows)
        counts = ", ".join(f"{splits[name]:,} {name}" for name in SPLITS if splits[name])
        lacking = " and ".join(name for name in ("val", "test") if not splits[name])
        return f"{counts} (no folder {lacking}: drawn from train)" if lacking else counts


def find_images(folder: Path) -> Found:
    """Look through a folder, and into every image in it.

    The class is the name of the folder that an image is in, below `folder`; for an image in no
    folder it is what stands before the number in its name ("cat.123.jpg"). Folders named train,
    val (or validation, valid) and test are the splits, and never classes. If some images are in
    val or test, images in none of the three folders are left out.
    """
    names = sorted(_names(folder))
    described = [_label_and_split(PurePosixPath(name)) for name in names]
    has_splits = any(split in ("val", "test") for label, split in described if label)
    rows, left_out, first_of = [], [], dict[str, str]()
    looked_into = zip(names, described, _look_into(folder, names), strict=True)
    for name, (label, split), result in looked_into:
        if isinstance(result, Exception):
            left_out.append((name, str(result)))
        elif label is None:
            left_out.append((name, NO_CLASS))
        elif has_splits and not split:
            left_out.append((name, NO_SPLIT))
        elif result in first_of:
            left_out.append((name, f"the same bytes as {first_of[result]}"))
        else:
            first_of[result] = name
            rows.append((name, label, split if has_splits else ""))
    found = Found(rows, left_out)
    if len({label for _, label, _ in rows}) < 2:
        raise DataError(f"{folder}: {found}; two classes or more expected")
    return found


def make_list(folder: Path, *, overwrite: bool = False) -> Found:
    """Write the list of a folder; return what is in it."""
    path = folder / LIST
    if exists(path) and not overwrite:
        raise DataError(f"{path}: is there already; --force replaces it")
    found = find_images(folder)
    try:
        write_text(path, found.csv)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    return found


def _names(folder: Path) -> Iterator[str]:
    """Find the paths of what may be an image, below the folder; nothing hidden.

    A link to a folder is not followed but found like an image, so that it is named.
    """
    for where, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        images = [name for name in files if Path(name).suffix.lower() in ENDINGS]
        for name in [*links, *images]:
            if not name.startswith("."):
                yield (Path(where) / name).relative_to(folder).as_posix()


def _refuse(error: OSError) -> NoReturn:
    """Refuse a folder that cannot be read: its images would be left out and not named."""
    raise DataError(f"{error.filename}: {error.strerror}") from error


def _label_and_split(path: PurePosixPath) -> tuple[str | None, str]:
    folders, split = list(path.parts[:-1]), ""
    if folders and (named := split_named(folders[0])):
        split = named
        folders = folders[1:]
    if folders:
        return folders[0], split
    numbered = NUMBERED.fullmatch(path.stem)
    return numbered[1] if numbered else None, split


def _look_into(folder: Path, names: list[str]) -> Iterator[str | Exception]:
    """Return the digest of each image's bytes, or why it cannot be used."""
    root = os.path.realpath(folder)

    def look(name: str) -> str | Exception:
        try:
            if not _is_utf8(name):
                raise ValueError("its name is not UTF-8")
            find_file(root, name)
            with open_data(folder / name) as file:
                content = file.read()
            decode(content, 1, 1)
        except (OSError, ValueError) as error:
            return error
        except Unreadable as error:
            return Unreadable(f"cannot be read: {error}")
        return hashlib.sha256(content).hexdigest()

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from track(pool.map(look, names), "reading images", len(names))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

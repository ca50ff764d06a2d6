"""Making the list of an image folder from the names of its folders and files."""

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

from tqdm import tqdm

from lottery.data.decode import Unreadable, decode
from lottery.data.errors import DataError
from lottery.data.image_list import LIST, SPLITS, Files
from lottery.record.files import write_text

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
SPLIT_FOLDER = re.compile(r"(train|val|test)(ing|id|idation)?\d*", re.IGNORECASE)
NUMBERED = re.compile(r"(.*\w)[\W_]+\d+\W*")  # cat.123, cat_1, cat (1)


@dataclass(frozen=True)
class Found:
    """The images of a folder.

    Args:
        rows: path below the folder, label, and split, "" where the folders do not say.
        left_out: path and reason of the others.
    """

    rows: list[tuple[str, str, str]]
    left_out: list[tuple[str, str]]

    @property
    def has_splits(self) -> bool:
        """Whether every image is in a folder train, val or test, and there are all three."""
        return {split for _, _, split in self.rows} == set(SPLITS)

    @property
    def complaints(self) -> list[str]:
        """A line for every image that is left out."""
        return [f"left out: {name}: {reason}" for name, reason in self.left_out]

    @property
    def csv(self) -> str:
        """The content of the list."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        width = 3 if self.has_splits else 2
        writer.writerows(row[:width] for row in [("path", "label", "split"), *self.rows])
        return text.getvalue()

    def __str__(self) -> str:
        """What was found, per class."""
        classes = Counter(label for _, label, _ in self.rows)
        counts = ", ".join(f"{count:,} {label}" for label, count in sorted(classes.items()))
        splits = Counter(split for _, _, split in self.rows)
        split = ", ".join(f"{splits[name]:,} {name}" for name in SPLITS)
        return (
            f"{len(self.rows):,} images{': ' if counts else ''}{counts}"
            f"{f'; {split}' if self.has_splits else ''}; {len(self.left_out):,} left out"
        )


def find_images(folder: Path) -> Found:
    """Look through a folder, and into every image in it.

    The class is the name of the folder that an image is in, below `folder`; of images that are in
    none, what stands before the number in their name ("cat.123.jpg"). Folders named train, val
    and test are the splits, if there are all three, and never classes.

    Args:
        folder: with two classes or more.

    Raises:
        DataError: it is no folder, or has no image or only one class.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    names = sorted(_names(folder))
    rows, left_out, first_of = [], [], dict[str, str]()
    for name, result in zip(names, _looked_into(folder, names), strict=True):
        label, split = _label_and_split(PurePosixPath(name))
        if isinstance(result, Exception):
            left_out.append((name, str(result)))
        elif label is None:
            left_out.append((name, "no class in its name, as in cat.123.jpg, or its folder's"))
        elif result in first_of:
            left_out.append((name, f"the same bytes as {first_of[result]}"))
        else:
            first_of[result] = name
            rows.append((name, label, split))
    found = Found(rows, [(ascii(n)[1:-1] if not _is_utf8(n) else n, why) for n, why in left_out])
    if len({label for _, label, _ in rows}) < 2:
        raise DataError(f"{folder}: {found}; two classes or more expected")
    return found


def make_list(folder: Path, *, overwrite: bool = False) -> Found:
    """Write the list of a folder.

    Raises:
        DataError: see `find_images`; or there is one, or it cannot be written.
    """
    path = folder / LIST
    if path.exists() and not overwrite:
        raise DataError(f"{path}: is there already; --force replaces it")
    found = find_images(folder)
    try:
        write_text(path, found.csv)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    return found


def _names(folder: Path) -> Iterator[str]:
    """Paths of what may be an image, below the folder; nothing hidden."""
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in ENDINGS:
                yield (Path(where) / name).relative_to(folder).as_posix()


def _label_and_split(path: PurePosixPath) -> tuple[str | None, str]:
    folders, split = list(path.parts[:-1]), ""
    if folders and (match := SPLIT_FOLDER.fullmatch(folders[0])):
        split = match[1].lower()
        folders = folders[1:]
    if folders:
        return folders[0], split
    numbered = NUMBERED.fullmatch(path.stem)
    return numbered[1] if numbered else None, split


def _looked_into(folder: Path, names: list[str]) -> Iterator[str | Exception]:
    """The digest of each image's bytes, or why it cannot be used."""
    files = Files(folder)

    def look(name: str) -> str | Exception:
        try:
            if not _is_utf8(name):
                raise ValueError("its name is not UTF-8")
            files(name)
            content = (folder / name).read_bytes()
            decode(content, 1, 1)
        except (OSError, ValueError) as error:
            return error
        except Unreadable as error:
            return Unreadable(f"cannot be read: {error}")
        return hashlib.sha256(content).hexdigest()

    with (
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
        tqdm(total=len(names), unit=" images", desc="reading", ncols=79, delay=2) as bar,
    ):
        for result in pool.map(look, names):
            yield result
            bar.update()


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

"""The images in a folder of class folders, listed in so little memory that a million are few."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lottery.data.errors import DataError
from lottery.data.files import sorted_entries
from lottery.data.prepare import ENDINGS

THREADS = 16  # a network's file system answers many questions at once
Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassFolders:
    """Paths and classes of images, in arrays.

    Python would count references to a list of a million texts, which copies its memory into each
    worker process. Arrays stay shared: of ImageNet's 1.28 million images they take 65 MB.

    Attributes:
        folder: holds a folder for each class.
        classes: names of the classes, in alphabetical order.
        names: the paths below the folder, one after the other.
        ends: where each path ends in `names`, (images,).
        labels: number of each image's class, (images,).
        digest: sha256 of names and sizes of all files.
    """

    folder: Path
    classes: tuple[str, ...]
    names: npt.NDArray[np.uint8]
    ends: Offsets
    labels: Offsets
    digest: str

    def __len__(self) -> int:
        return len(self.ends)

    def path(self, row: int) -> Path:
        """Return the path of an image."""
        start = self.ends[row - 1] if row else 0
        return self.folder / os.fsdecode(self.names[start : self.ends[row]].tobytes())


@dataclass(frozen=True)
class _OfClass:
    names: bytes
    lengths: list[int]
    sizes: bytes  # a line for each image: name and size


def list_class_folders(folder: Path) -> ClassFolders:
    """List the images of a folder like ImageNet's `train`: CLASS/IMAGE, or CLASS/.../IMAGE.

    Images are found by the endings of their names, and no image is opened. Hidden files and
    folders are left out. The order is that of the names.

    Raises:
        DataError: there are fewer than two classes, or one has no image.
    """
    classes = [entry.name for entry in sorted_entries(folder) if entry.is_dir()]
    if len(classes) < 2:
        raise DataError(f"{folder}: {len(classes)} folders of classes; two or more expected")
    with ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(lambda name: _list_class(folder, name), classes))
    digest = hashlib.sha256()
    for name, part in zip(classes, parts, strict=True):
        digest.update(part.sizes)
        if not part.lengths:
            raise DataError(f"{folder / name}: no image ({', '.join(sorted(ENDINGS))})")
    counts = [len(part.lengths) for part in parts]
    lengths = np.concatenate([np.array(part.lengths, dtype=np.int64) for part in parts])
    return ClassFolders(
        folder=folder,
        classes=tuple(classes),
        names=np.frombuffer(b"".join(part.names for part in parts), dtype=np.uint8),
        ends=lengths.cumsum(),
        labels=np.repeat(np.arange(len(classes)), counts),
        digest=digest.hexdigest(),
    )


def check_same_classes(train: ClassFolders, test: ClassFolders) -> None:
    """Check that both folders have the same classes."""
    if train.classes != test.classes:
        name = min(set(train.classes) ^ set(test.classes))
        here, there = (test, train) if name in train.classes else (train, test)
        raise DataError(f"{here.folder}: no folder {name}, a class of {there.folder}")


def _list_class(folder: Path, name: str) -> _OfClass:
    names, sizes = [], []
    for path, size in _images(folder / name, name):
        names.append(os.fsencode(path))
        sizes.append(b"%s %d\n" % (names[-1], size))
    return _OfClass(b"".join(names), [len(path) for path in names], b"".join(sizes))


def _images(folder: Path, name: str) -> Iterator[tuple[str, int]]:
    """Yield path and size of the images in a folder and below; `name` is the folder's path."""
    for entry in sorted_entries(folder):
        inner = f"{name}/{entry.name}"
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _images(folder / entry.name, inner)
            elif os.path.splitext(entry.name)[1].lower() in ENDINGS:  # noqa: PTH122  # quicker
                yield inner, entry.stat().st_size
        except OSError as error:  # a link to nothing
            raise DataError(f"{entry.path}: {error.strerror}") from error

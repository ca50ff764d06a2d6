"""Decoded images on disk: one file of bytes, mapped into memory, made once."""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pooch
from filelock import FileLock
from tqdm import tqdm

from lottery.data.decode import Bytes, Unreadable, decode
from lottery.data.errors import DataError
from lottery.data.image_list import ListedImage, bad_row
from lottery.record.files import replacing

log = logging.getLogger(__name__)

CACHE = ".lottery_cache"  # beside the images
VERSION = 1  # of what `decode` does
AT_ONCE = 256  # images that wait to be written, at most
DIGEST_BYTES = 32  # behind the pixels in the file


def cached_pixels(
    folder: Path, images: Sequence[ListedImage], size: tuple[int, int], *, may_write: bool
) -> tuple[Bytes, str]:
    """The pixels of some images and their sha256.

    They are decoded once for a list, a size and the files' sizes and times, and kept beside the
    images or, where that is read-only, in the user's cache folder. Several processes may call it
    at once: one decodes. A damaged file is made anew.

    Args:
        folder: holds the images.
        images: which, in order.
        size: height and width to resize to.
        may_write: False decodes into memory where there is no file.

    Returns:
        (n, 3, height, width), mapped from the file: changes to it stay in memory; and the digest.

    Raises:
        DataError: an image cannot be read, or nothing can be written.
    """
    shape = (len(images), 3, *size)
    name = f"{size[0]}x{size[1]}_{len(images)}_{_key(images, size)}.bytes"
    places = [folder / CACHE, _users_cache(folder)]
    for place in places:
        if (found := _load(place / name, shape)) is not None:
            return found
    if not may_write:
        pixels = np.stack(list(_decoded(folder, images, size)))
        return pixels, hashlib.sha256(pixels.data).hexdigest()
    writable = [place for place in places if _is_writable(place)]
    if not writable:
        raise DataError(f"{folder}: neither {places[0]} nor {places[1]} can be written")
    place = writable[0]
    try:
        with FileLock(place / f".{name}.lock", fallback_to_soft=False):
            if (found := _load(place / name, shape)) is None:
                _write(place / name, folder, images, size)
                found = _load(place / name, shape)
    except OSError as error:
        raise DataError(f"{place / name}: {error.strerror or error}") from error
    assert found is not None
    return found


def _key(images: Sequence[ListedImage], size: tuple[int, int]) -> str:
    files = [(image.name, image.size, image.mtime_ns) for image in images]
    return hashlib.sha256(json.dumps([VERSION, size, files]).encode()).hexdigest()[:16]


def _users_cache(folder: Path) -> Path:
    """A folder that belongs to the user, for the images of one folder."""
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return Path(pooch.os_cache("lottery")) / f"{folder.resolve().name}_{name}"


def _is_writable(place: Path) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):  # os.access does not know root
            return True
    except OSError:
        return False


def _load(path: Path, shape: tuple[int, ...]) -> tuple[Bytes, str] | None:
    """What is in the file; None where there is none or it is damaged."""
    try:
        content = np.memmap(path, dtype=np.uint8, mode="c")
    except (OSError, ValueError):  # not there, or empty
        return None
    pixels, written = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:].tobytes()
    digest = hashlib.sha256(pixels.data)
    if pixels.size != np.prod(shape) or digest.digest() != written:
        log.warning("%s is damaged: the images are decoded again", path)
        return None
    return pixels.reshape(shape), digest.hexdigest()


def _write(path: Path, folder: Path, images: Sequence[ListedImage], size: tuple[int, int]) -> None:
    """Written as a file and not by mapping it: a full disk would kill the process."""
    digest = hashlib.sha256()
    with replacing(path) as aside, aside.open("wb") as file:
        for pixels in _decoded(folder, images, size):
            digest.update(pixels.data)
            file.write(pixels.data)
        file.write(digest.digest())


def _decoded(
    folder: Path, images: Sequence[ListedImage], size: tuple[int, int]
) -> Iterator[Bytes]:
    """Each image decoded, in order, by as many threads as there are cores."""

    def read(image: ListedImage) -> Bytes:
        try:
            return decode((folder / image.name).read_bytes(), *size)
        except Unreadable as error:
            raise bad_row(folder, image.row, f"{image.name} cannot be read: {error}") from error
        except OSError as error:
            raise bad_row(folder, image.row, f"{image.name}: {error.strerror}") from error

    with (
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
        tqdm(total=len(images), unit=" images", desc="decoding", ncols=79, delay=2) as bar,
    ):
        for first in range(0, len(images), AT_ONCE):
            for pixels in pool.map(read, images[first : first + AT_ONCE]):
                yield pixels
                bar.update()

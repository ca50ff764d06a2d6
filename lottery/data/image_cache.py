"""Keep decoded images on disk: one .npy file, mapped into memory, and its digest beside it."""

import hashlib
import io
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.lib.format import write_array_header_1_0

from lottery.data.checked import is_checked, note_checked, status_of
from lottery.data.decode import Bytes, Unreadable, decode
from lottery.data.errors import DataError
from lottery.data.files import open_data
from lottery.data.image_list import ListedImage, bad_row
from lottery.data.progress_bar import track
from lottery.record.files import replacing, write_text

log = logging.getLogger(__name__)

CACHE = ".lottery_cache"  # beside the images
VERSION = 1  # of what `decode` does
DIGEST_BYTES = 64  # of a sha256 in hexadecimal digits
AT_ONCE = 256  # at most so many images wait to be written


def cached_pixels(
    folder: Path, images: Sequence[ListedImage], size: tuple[int, int], *, may_write: bool
) -> tuple[Bytes, str]:
    """Return the pixels of a folder's images, resized to (n, 3, height, width), and their sha256.

    Images are decoded once for a list, a size and the files' sizes and times. The pixels are kept
    beside the images or, if that is read-only, in the user's cache folder. They are mapped from
    the file; changes to them stay in memory. Several processes may call it at once: one decodes.
    A damaged file is made again. All bytes are compared with the digest once; from then on a file
    with the same size, times and place on the disk is trusted. If there is no file, and none may
    be written, the pixels are in memory.
    """
    shape = (len(images), 3, *size)
    name = f"{size[0]}x{size[1]}_{len(images)}_{_key(images, size)}.npy"
    caches = [folder / CACHE, _users_cache(folder)]
    for cache in caches:
        if (found := _load(cache / name, shape, may_write=may_write)) is not None:
            return found
    if not may_write:
        pixels = np.stack(list(_decoded(folder, images, size)))
        return pixels, hashlib.sha256(pixels.data).hexdigest()
    writable = [cache for cache in caches if _is_writable(cache)]
    if not writable:
        raise DataError(f"{folder}: neither {caches[0]} nor {caches[1]} can be written")
    path = writable[0] / name
    try:
        with FileLock(path.with_name(f".{name}.lock"), fallback_to_soft=False):
            if (found := _load(path, shape, may_write=True)) is None:
                _write(path, shape, _decoded(folder, images, size))
                found = _load(path, shape, may_write=True)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    assert found is not None
    return found


def _key(images: Sequence[ListedImage], size: tuple[int, int]) -> str:
    files = [(image.name, image.size, image.mtime_ns) for image in images]
    return hashlib.sha256(json.dumps([VERSION, size, files]).encode()).hexdigest()[:16]


def _users_cache(folder: Path) -> Path:
    """Return a folder that belongs to the user, for the images of one folder."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return caches / "lottery" / f"{folder.resolve().name}_{name}"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # os.access does not know root
            return True
    except OSError:
        return False


def _load(path: Path, shape: tuple[int, ...], *, may_write: bool) -> tuple[Bytes, str] | None:
    """Return pixels and digest; None if there is no file, or it is damaged."""
    header = _header(shape)
    try:
        with open_data(path) as file:
            is_ours = file.read(len(header)) == header
            pixels = np.memmap(file, np.uint8, mode="c", offset=len(header), shape=shape)
            status = status_of(file)
            stated = _stated_digest(path)
            if is_ours and is_checked(path, stated, status):
                return pixels, stated
            if is_ours and hashlib.sha256(pixels.data).hexdigest() == stated:
                if may_write and status == status_of(file):  # nobody has written while we read
                    note_checked(path, stated, status)
                return pixels, stated
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError):  # cut off
        pass
    log.warning("%s is damaged: the images are decoded again", path)
    return None


def _write(path: Path, shape: tuple[int, ...], decoded: Iterator[Bytes]) -> None:
    """Write pixels and digest. Not through a map: a full disk would kill the process."""
    digest = hashlib.sha256()
    with replacing(path) as aside, aside.open("wb") as file:
        file.write(_header(shape))
        for pixels in decoded:
            digest.update(pixels.data)
            file.write(pixels.data)
        write_text(_digest_file(path), digest.hexdigest())


def _header(shape: tuple[int, ...]) -> bytes:
    """Return the first bytes of a .npy file of bytes in this shape."""
    header = io.BytesIO()
    write_array_header_1_0(header, {"shape": shape, "fortran_order": False, "descr": "|u1"})
    return header.getvalue()


def _stated_digest(path: Path) -> str:
    with open_data(_digest_file(path)) as file:
        return file.read(DIGEST_BYTES + 1).decode(errors="replace")


def _digest_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _decoded(
    folder: Path, images: Sequence[ListedImage], size: tuple[int, int]
) -> Iterator[Bytes]:
    """Decode each image, in order, by as many threads as there are cores."""

    def read(image: ListedImage) -> Bytes:
        try:
            with open_data(folder / image.name) as file:
                return decode(file.read(), *size)
        except Unreadable as error:
            raise bad_row(folder, image.row, f"{image.name} cannot be read: {error}") from error
        except OSError as error:
            raise bad_row(folder, image.row, f"{image.name}: {error.strerror}") from error

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        blocks = range(0, len(images), AT_ONCE)
        decoded = (p for first in blocks for p in pool.map(read, images[first : first + AT_ONCE]))
        yield from track(decoded, "decoding images", len(images))

"""Toy datasets in CIFAR's format; each image says which one it is."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lottery.data import Split
from lottery.data.cifar import NUM_PIXELS, SOURCES
from tests.helpers.file_server import FileServer, serving_here

Bytes = npt.NDArray[np.uint8]

NAMES = ("cifar10", "cifar100")
NUM_TRAIN, NUM_TEST = 300, 20


def shrink_cifar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the toy sizes the expected ones, for one test."""
    for name in NAMES:
        source = SOURCES[name]
        sizes = (NUM_TRAIN // len(source.train_files), NUM_TEST)
        monkeypatch.setitem(SOURCES, name, replace(source, images_per_file=sizes))


def toy_cifar(name: str) -> dict[str, bytes]:
    """Number n has n's last digits as its label, and n in the first two bytes of its planes."""
    source = SOURCES[name]
    numbers = np.arange(NUM_TRAIN + NUM_TEST)
    records = np.zeros((len(numbers), source.label_bytes + NUM_PIXELS), dtype=np.uint8)
    records[:, 0] = 7  # a coarse label, where there is one
    records[:, source.label_bytes - 1] = numbers % source.num_classes
    for plane in range(3):
        first = source.label_bytes + plane * NUM_PIXELS // 3
        records[:, first], records[:, first + 1] = numbers // 256, numbers % 256
        records[:, first + 31] = plane  # the last pixel of the first row
    parts = np.split(records[:NUM_TRAIN], len(source.train_files))
    files = dict(zip(source.train_files, parts, strict=True)) | {
        source.test_file: records[NUM_TRAIN:]
    }
    return {file: part.tobytes() for file, part in files.items()}


def write_cifar(
    root: Path, name: str = "cifar10", changed: Mapping[str, bytes] | None = None
) -> Path:
    """The toy dataset in the archive's layout; returns the folder of the files."""
    folder = root / SOURCES[name].folder
    folder.mkdir(parents=True)
    for file, content in (toy_cifar(name) | dict(changed or {})).items():
        (folder / file).write_bytes(content)
    return folder


def numbers(split: Split) -> list[int]:
    """The numbers in the images, after a check of their labels and planes."""
    pixels = split.inputs.long()
    assert pixels.shape[1:] == (3, 32, 32)
    found = 256 * pixels[:, 0, 0, 0] + pixels[:, 0, 0, 1]
    for plane in range(3):
        assert torch.equal(256 * pixels[:, plane, 0, 0] + pixels[:, plane, 0, 1], found)
        assert (pixels[:, plane, 0, 31] == plane).all()
    classes = int(split.targets.max()) + 1
    assert torch.equal(found % classes, split.targets)
    return found.tolist()


def tar_gz(files: Mapping[str, bytes | str]) -> bytes:
    """An archive of files by their names in it; a text is where a symbolic link leads."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(data, str):
                member.type, member.linkname = tarfile.SYMTYPE, data
                tar.addfile(member)
            else:
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


def archive_of(name: str) -> dict[str, bytes | str]:
    """What the official archive holds, and what it does not."""
    folder = SOURCES[name].folder
    files = {f"{folder}/{file}": content for file, content in toy_cifar(name).items()}
    return {f"{folder}/readme.html": b"not wanted", "../outside.bin": b"nor this", **files}


@contextmanager
def serving_cifar(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> Iterator[FileServer]:
    """A server that has the toy archives; their digests are the expected ones."""
    shrink_cifar(monkeypatch)
    with serving_here(monkeypatch, temporary) as server:
        for name in NAMES:
            serve_archive(monkeypatch, server, name, tar_gz(archive_of(name)))
        yield server


def serve_archive(
    monkeypatch: pytest.MonkeyPatch, server: FileServer, name: str, content: bytes
) -> None:
    """Put an archive on the server, with the digest that is expected of it."""
    archive = replace(SOURCES[name].archive, sha256=sha256(content).hexdigest())
    monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], archive=archive))
    server.files[archive.name] = content

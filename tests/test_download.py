"""Downloads from a server of our own: good ones, and every way in which they can fail."""

import gzip
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from lottery import data_command
from lottery.data import DataError, Mnist
from lottery.data.download import RemoteFile
from lottery.data.idx import read_bytes
from lottery.data.mnist import SOURCES
from tests.conftest import TINY, Lottery, environment, snapshot
from tests.file_server import FileServer, serving
from tests.made_up_mnist import TRAIN_IMAGES, idx_bytes, made_up_mnist

# Digests of the content, and of the files as they are.
KINDS = {"mnist": True, "fashion_mnist": False}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {name: gzip.compress(idx_bytes(array)) for name, array in made_up_mnist().items()}


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for temporary files, of processes that are started here as well."""
    path = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    monkeypatch.setenv("TMPDIR", str(path))
    return path


@pytest.fixture
def server(
    files: dict[str, bytes], temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileServer]:
    """A server that has the files, whose digests are the expected ones."""
    for name, of_content in KINDS.items():
        remote = tuple(
            RemoteFile(file.name, _digest(files[file.name], of_content), of_content)
            for file in SOURCES[name].files
        )
        monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], files=remote))
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    with serving() as server:
        server.files = dict(files)
        yield server


def _digest(file: bytes, of_content: bool) -> str:
    return sha256(gzip.decompress(file) if of_content else file).hexdigest()


def _dataset(name: str, root: Path, server: FileServer) -> Mnist:
    return Mnist(name, str(root), 0, "unit", download=True, base_url=server.url)


@pytest.mark.parametrize("name", KINDS)
def test_missing_files_are_fetched_once(
    name: str,
    server: FileServer,
    files: dict[str, bytes],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    dataset = _dataset(name, tmp_path, server)
    first = dataset.load()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.count("100%") == 4
    assert {p.name: p.read_bytes() for p in dataset.folder.iterdir()} == files
    server.files.clear()
    assert dataset.load().digest() == first.digest()
    assert sorted(server.requests) == sorted(files)


def test_only_missing_files_are_fetched(
    server: FileServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    dataset = _dataset("mnist", tmp_path, server)
    dataset.folder.mkdir(parents=True)
    for name in set(files) - {TRAIN_IMAGES}:
        path = dataset.folder / name.removesuffix(".gz")
        path.write_bytes(gzip.decompress(files[name]))
    dataset.load()
    assert server.requests == [TRAIN_IMAGES]


def test_a_digest_of_content_accepts_another_compression(
    server: FileServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    again = gzip.compress(gzip.decompress(files[TRAIN_IMAGES]), compresslevel=1, mtime=5)
    assert again != files[TRAIN_IMAGES]
    server.files[TRAIN_IMAGES] = again
    _dataset("mnist", tmp_path, server).load()
    with pytest.raises(DataError, match="content with sha256"):
        _dataset("fashion_mnist", tmp_path, server).load()


def _corrupt(server: FileServer) -> None:
    content = bytearray(gzip.decompress(server.files[TRAIN_IMAGES]))
    content[100] ^= 1
    server.files[TRAIN_IMAGES] = gzip.compress(bytes(content))


def _cut_gz(server: FileServer) -> None:
    server.files[TRAIN_IMAGES] = server.files[TRAIN_IMAGES][:-20]


def _no_gz(server: FileServer) -> None:
    server.files[TRAIN_IMAGES] = b"<html>Please log in\nto this network</html>"


def _no_such_file(server: FileServer) -> None:
    del server.files[TRAIN_IMAGES]


def _cut_connection(server: FileServer) -> None:
    server.cut = True


def _server_down(server: FileServer) -> None:
    server.url = "http://127.0.0.1:1"


def _no_url(server: FileServer) -> None:
    server.url = "nowhere"


FAULTS = {
    _corrupt: "content with sha256",
    _cut_gz: "ended before|content with sha256",
    _no_gz: "[Nn]ot a gzipped file|content with sha256",
    _no_such_file: "404",
    _cut_connection: "IncompleteRead",
    _server_down: "[Cc]onnection refused",
    _no_url: "nowhere",
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_download_is_one_line_and_leaves_nothing(
    name: str, fault, server: FileServer, tmp_path: Path, temporary: Path
) -> None:
    fault(server)
    dataset = _dataset(name, tmp_path / "data", server)
    with pytest.raises(DataError, match=FAULTS[fault]) as caught:
        dataset.load()
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    assert f"{server.url}/{TRAIN_IMAGES}" in line
    assert line.endswith(f"lottery-data download {name} --root {tmp_path / 'data'}")
    assert snapshot(tmp_path) == {}
    assert [path.suffix for path in temporary.iterdir()] == [".lock"]

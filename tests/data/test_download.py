"""Downloads from a server of our own: good ones, and every way in which they can fail."""

import gzip
import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from errno import ENOSPC
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from time import sleep

import pytest

from lottery.data import DataError, Mnist
from lottery.data.download import RemoteFile
from lottery.data.mnist import FILES, SOURCES
from lottery.data.origin import Origin
from tests.conftest import PATIENCE, snapshot
from tests.helpers.file_server import KINDS, FileServer, serving_mnist, toy_files
from tests.helpers.sweeps import wait_for
from tests.helpers.toy_mnist import TRAIN_IMAGES, TRAIN_LABELS


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture
def server(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    with serving_mnist(monkeypatch, temporary) as server:
        yield server


def _dataset(name: str, root: Path, server: FileServer) -> Mnist:
    return Mnist(
        name=name,
        root=str(root),
        split_seed=0,
        normalize="unit",
        download=True,
        base_url=server.url,
    )


@pytest.mark.parametrize("name", KINDS)
def test_missing_files_are_fetched_once(
    name: str, server: FileServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    dataset = _dataset(name, tmp_path, server)
    first = dataset.load()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "100%" not in captured.err  # a bar is for terminals
    assert {p.name: p.read_bytes() for p in dataset.folder.iterdir()} == toy_files()
    server.files.clear()
    assert dataset.load().digest() == first.digest()
    assert sorted(server.requests) == sorted(toy_files())


def test_only_missing_files_are_fetched(server: FileServer, tmp_path: Path) -> None:
    dataset = _dataset("mnist", tmp_path, server)
    dataset.folder.mkdir(parents=True)
    for name in set(toy_files()) - {TRAIN_IMAGES}:
        path = dataset.folder / name.removesuffix(".gz")
        path.write_bytes(gzip.decompress(server.files[name]))
    dataset.load()
    assert server.requests == [TRAIN_IMAGES]


def test_a_digest_of_content_accepts_another_compression(
    server: FileServer, tmp_path: Path
) -> None:
    first = server.files[TRAIN_IMAGES]
    again = gzip.compress(gzip.decompress(first), compresslevel=1, mtime=5)
    assert again != first
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
    server.cut = 10


def _server_down(server: FileServer) -> None:
    server.url = "http://127.0.0.1:1"


def _no_url(server: FileServer) -> None:
    server.url = "nowhere"


FAULTS: dict[Callable[[FileServer], None], str] = {
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
    name: str,
    fault: Callable[[FileServer], None],
    server: FileServer,
    tmp_path: Path,
    temporary: Path,
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


@pytest.mark.parametrize("trouble", ["cut", "busy"])
def test_a_failure_that_passes_is_tried_again(
    trouble: str, server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setattr(server, trouble, 2)
    with caplog.at_level(logging.INFO):
        dataset = _dataset("mnist", tmp_path, server)
        dataset.load()
    assert {p.name: p.read_bytes() for p in dataset.folder.iterdir()} == toy_files()
    assert server.requests[:4] == 3 * [TRAIN_IMAGES] + [TRAIN_LABELS]
    assert caplog.text.count("trying again in 0 s") == 2


@pytest.mark.parametrize(("fault", "tries"), [(_cut_connection, 3), (_no_such_file, 1)])
def test_a_failure_that_stays_ends_after_three_tries_and_a_missing_file_at_once(
    fault: Callable[[FileServer], None], tries: int, server: FileServer, tmp_path: Path
) -> None:
    fault(server)
    with pytest.raises(DataError):
        _dataset("mnist", tmp_path, server).load()
    assert server.requests == tries * [TRAIN_IMAGES]


def test_a_terminal_shows_a_bar(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    _dataset("mnist", tmp_path, server).load()
    assert TRAIN_IMAGES in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_a_second_try_fetches_what_the_first_one_missed(
    server: FileServer, tmp_path: Path
) -> None:
    dataset = _dataset("mnist", tmp_path, server)
    last = FILES[-1]
    content = server.files.pop(last)
    with pytest.raises(DataError, match=last):
        dataset.load()
    assert {path.name for path in dataset.folder.iterdir()} == set(server.files)
    server.files = {last: content}
    assert len(dataset.load().test) == 20


def test_a_folder_that_cannot_be_made_is_one_line(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "MNIST").write_text("in the way")
    with pytest.raises(DataError) as caught:
        _dataset("mnist", tmp_path, server).load()
    assert str(caught.value).startswith(f"{tmp_path / 'MNIST' / 'raw'}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_full_disk_is_one_line_and_leaves_no_half_file(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", copy_half)
    dataset = _dataset("mnist", tmp_path, server)
    with pytest.raises(DataError, match="No space left") as caught:
        dataset.load()
    assert str(caught.value).startswith(f"{dataset.folder}: ")
    assert list(dataset.folder.iterdir()) == []


def _fetch(ready: Path, folder: Path, url: str, file: RemoteFile) -> None:
    ready.touch()
    Origin("mnist", root=".", folder=folder, base_url=url, download=True).fetch([file])


def test_of_two_processes_one_downloads(server: FileServer, tmp_path: Path) -> None:
    server.may_answer.clear()
    file = RemoteFile(FILES[0], SOURCES["mnist"].digests[0])
    ready = [tmp_path / "ready_0", tmp_path / "ready_1"]
    processes = [
        get_context("fork").Process(target=_fetch, args=(path, tmp_path / "raw", server.url, file))
        for path in ready
    ]
    for process in processes:
        process.start()
    wait_for(lambda: all(path.exists() for path in ready) and bool(server.requests))
    sleep(0.5)  # without a lock the second would ask the server now
    server.may_answer.set()
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0, 0]
    assert server.requests == [file.name]
    assert (tmp_path / "raw" / file.name).read_bytes() == toy_files()[file.name]

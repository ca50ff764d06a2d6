"""Whatever stands in a JSON file's place: its content, or one line that names the file."""

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.record import files
from lottery.record.files import DamagedFile, read_json


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"", "empty"),
        (b"{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"\0" * 40, "Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b'{"val": NaN}', "NaN is no finite number"),
        (b'{"val": -Infinity}', "-Infinity is no finite number"),
        (b'{"val": 1e999}', "1e999 is no finite number"),
        (b"9" * 301, "a number of 301 digits"),
        (b"9" * 5000, "a number of 5000 digits"),
        (b'{"a": 1, "b": {}, "a": 2}', "'a' stands in it twice"),
        (b"[" * 65 + b"]" * 65, "nested more than 64 deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested more than 64 deep"),
        (b"[" * 100_000 + b"]" * 100_000, "nested more than 64 deep"),
        (b"[" * 100_000, "nested more than 64 deep"),
    ],
    ids=str,
)
def test_a_damaged_file_is_one_line(tmp_path: Path, text: bytes, fault: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(text)
    line = f"{path}: damaged: {fault}; remove it"
    with pytest.raises(DamagedFile, match=f"^{re.escape(line)}$"):
        read_json(path, "remove it")


def test_the_bounds_are_far_from_what_runs_write(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for text in ("[" * 63 + "1" + "]" * 63, "9" * 300, "-1.5e300"):
        path.write_text(text)
        read_json(path)


def test_a_large_file_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    path = tmp_path / "file.json"
    path.write_text(f'"{"x" * 998}"')
    read_json(path)
    with path.open("wb") as file:
        file.truncate(1 << 40)  # no terabyte of this is on disk
    with pytest.raises(DamagedFile, match=r"damaged: more than 1,000 bytes$"):
        read_json(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)  # the whole path may be too long for a socket


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (Path.mkdir, "damaged: it is a folder; remove it"),
        (os.mkfifo, "damaged: it is a fifo; remove it"),
        (lambda path: path.symlink_to("/dev/zero"), "damaged: it is a link; remove it"),
        (lambda path: path.symlink_to("real.json"), "damaged: it is a link; remove it"),
        (lambda path: path.symlink_to(path.name), "damaged: it is a link; remove it"),
        (_socket, "cannot be read: No such device or address"),
    ],
    ids=["folder", "fifo", "device", "link", "loop", "socket"],
)
def test_what_is_no_regular_file_is_named_and_nothing_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real.json").write_text("{}")
    make(tmp_path / "file.json")
    with pytest.raises(DamagedFile, match=f"^{tmp_path}/file.json: {fault}$"):
        read_json(tmp_path / "file.json", "remove it")


def test_a_device_is_named() -> None:
    with pytest.raises(DamagedFile, match=r"^/dev/zero: damaged: it is a device$"):
        read_json(Path("/dev/zero"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_one_may_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(DamagedFile, match=r"file.json: cannot be read: Permission denied$"):
        read_json(path)


def test_a_missing_file_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "file.json")

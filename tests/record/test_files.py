"""Files are written whole or not at all."""

import os
from pathlib import Path

import pytest

from lottery.record.files import read_json, replacing, write_json, write_text


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    for text in ("one\n", "zwei €\n"):
        write_text(path, text)
        assert path.read_bytes() == text.encode()
    assert _files(path.parent) == ["file.txt"]


def test_nobody_sees_a_file_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replacing(path) as aside:
        aside.write_text("half of the new")
        assert path.read_text() == "old"
        assert aside.parent == path.parent  # a rename over it is atomic
    assert path.read_text() == "half of the new"


def test_after_an_exception_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def stop_half_way() -> None:
        with replacing(path) as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert path.read_text() == "old"
    assert _files(tmp_path) == ["file.txt"]


def test_content_and_name_are_on_disk_before_anybody_relies_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []

    def note(descriptor: int) -> None:
        there = (tmp_path / "file.txt").exists()
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), there))

    monkeypatch.setattr(os, "fsync", note)
    write_text(tmp_path / "file.txt", "new")
    assert synced == [(f"{tmp_path}/.file.txt.part", False), (str(tmp_path), True)]


def test_after_an_exception_there_is_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="disk"), replacing(tmp_path / "file.txt"):
        raise RuntimeError("disk")
    assert _files(tmp_path) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_json_has_no_nan(tmp_path: Path, value: object) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"old": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, value)
    assert read_json(path) == {"old": 1}
    assert _files(tmp_path) == ["file.json"]


def test_json_round_trip(tmp_path: Path) -> None:
    value = {"name": "zwölf", "third": 1 / 3, "list": [1, None, True], "nested": {"a": ""}}
    write_json(tmp_path / "file.json", value)
    assert read_json(tmp_path / "file.json") == value

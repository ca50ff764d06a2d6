"""A run's files: whole or not there. Its lock: one owner, named, free when the owner dies."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Thread

import pytest

from lottery.run_dir import (
    RunDir,
    RunLocked,
    read_json,
    replacing,
    write_json,
    write_text,
)


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


def test_rounds_are_finished_by_their_record(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert run.finished_rounds() == []
    run.round(0).path.mkdir(parents=True)
    run.round(0).final.touch()  # trained, but no record yet
    assert run.finished_rounds() == []
    for number in (100, 0, 11, 2):  # folders in the order of names: 00, 02, 100, 11
        write_json(run.round(number).record, {})
    assert run.finished_rounds() == [0, 2, 11, 100]
    assert run.round(2).path.name == "02"


# The lock, with other processes

HOLD = """
import sys
from pathlib import Path
from lottery.run_dir import RunDir
folder = Path(sys.argv[1])
with RunDir(folder).locked(wait=False):
    print("held", flush=True)
    sys.stdin.read()
    (folder / "work is done").touch()
"""


@contextmanager
def _held(folder: Path) -> Iterator["Popen[str]"]:
    """Another process that holds the folder until its stdin is closed."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_and_told_the_owner(tmp_path: Path) -> None:
    with _held(tmp_path) as owner:
        for _ in range(2):  # a refused one takes nothing away
            refusal = f"{tmp_path}: process {owner.pid} on .* is working here"
            with pytest.raises(RunLocked, match=refusal), RunDir(tmp_path).locked(wait=False):
                pytest.fail("two processes in one folder")


def test_the_lock_is_free_after_its_owner_was_killed(tmp_path: Path) -> None:
    with _held(tmp_path) as owner:
        owner.kill()
        owner.wait()
        with RunDir(tmp_path).locked(wait=False):
            assert not (tmp_path / "work is done").exists()


def test_the_lock_is_free_after_its_owner_has_ended(tmp_path: Path) -> None:
    with _held(tmp_path) as owner:
        owner.communicate()
        assert owner.returncode == 0
        with RunDir(tmp_path).locked(wait=False):
            assert (tmp_path / "work is done").exists()


def test_who_waits_goes_on_when_the_owner_has_done_its_work(tmp_path: Path) -> None:
    done: list[bool] = []

    def wait() -> None:
        with RunDir(tmp_path).locked(wait=True):
            done.append((tmp_path / "work is done").exists())

    with _held(tmp_path) as owner:
        waiting = Thread(target=wait)
        waiting.start()
        waiting.join(0.2)
        assert done == []
        owner.communicate()
        waiting.join()
    assert done == [True]


def test_the_lock_is_free_after_an_exception(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "not" / "there")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="training"), run.locked(wait=False):
            raise RuntimeError("training")
    assert "owner" not in " ".join(_files(run.path))


def test_folders_are_locked_one_by_one(tmp_path: Path) -> None:
    with _held(tmp_path / "seed_0"), RunDir(tmp_path / "seed_1").locked(wait=False):
        pass

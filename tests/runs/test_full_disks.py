"""Disks that are full or read-only: a clear line, and no finished round is lost."""

import errno
import json
import logging
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lottery.progress import LogFile
from lottery.record.disk_errors import DiskError, disk_errors_in
from lottery.record.files import replacing
from tests.conftest import TINY, Lottery, result_tables
from tests.helpers.damages import assert_one_line, round_files


def test_errors_of_a_disk_name_the_file(tmp_path: Path) -> None:
    def fill() -> None:
        with disk_errors_in(tmp_path), replacing(tmp_path / "file"):
            raise OSError(errno.ENOSPC, "")  # as write() does: without a name

    with pytest.raises(DiskError, match=f"^no space left on device: {tmp_path}/file$"):
        fill()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.EROFS, "", "folder/file"), "read-only file system: folder/file"),
        (OSError(errno.EDQUOT, ""), "disk quota exceeded: folder"),
        (FileNotFoundError(errno.ENOENT, "", "folder/file"), "no such file or directory: .*file"),
        (FileNotFoundError(errno.ENOENT, "", "a user's file"), None),
        (ConnectionError(errno.ECONNRESET, "reset"), None),
        (OSError("a library's own"), None),
    ],
)
def test_errors_of_code_stay_what_they_are(error: OSError, line: str | None) -> None:
    def fail() -> None:
        with disk_errors_in(Path("folder")):
            raise error

    with pytest.raises(DiskError if line else type(error), match=line):
        fail()


def test_threads_repeat_no_error_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: printed.append(str(args.exc_value)))

    def fail(error: Exception) -> None:
        raise error

    with disk_errors_in(Path("folder")):
        for error in (OSError(errno.ENOSPC, "full"), ValueError("a mistake")):
            thread = threading.Thread(target=fail, args=(error,))
            thread.start()
            thread.join()
    assert printed == ["a mistake"]


def test_a_log_file_on_a_full_disk_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    handler = LogFile("/dev/full")
    handler.emit(logging.makeLogRecord({"msg": "a line"}))
    assert capfd.readouterr().err == ""
    handler.emit(logging.makeLogRecord({"msg": "%d", "args": ("mistake",)}))
    assert "Logging error" in capfd.readouterr().err
    handler.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_hydras_files_is_one_line(
    lottery: Lottery, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(path: Path, text: str) -> None:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        patch.setattr("lottery.cli.hydra_app.write_text", fail)
        done = lottery(*TINY)
        assert_one_line(done, 1, "/.hydra/config.yaml; finished rounds are kept")
        sweep = lottery("-m", *TINY)
        assert_one_line(
            sweep, 1, "error: job 0: ", "/.hydra/config.yaml; finished rounds are kept"
        )
    done = lottery(*TINY)
    assert done.code == 0, done.err
    assert {file.name for file in (done.run / ".hydra").iterdir()} == {
        "config.yaml",
        "hydra.yaml",
        "overrides.yaml",
    }


def _mount(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs to mount a small disk: {done.stderr.strip()}")


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """An empty folder that is a disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    path = folder / "disk"
    path.mkdir()
    _mount("-t", "tmpfs", "tmpfs", path)
    yield path
    # lazily: tensors that were read from a file hold it open
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.mark.parametrize("space_kb", [150, 724, 1200])
def test_a_run_that_fills_its_disk_goes_on_when_there_is_room(
    lottery: Lottery, disk: Path, space_kb: int
) -> None:
    whole = lottery(*TINY)
    arguments = (*TINY, f"output_dir={disk}")
    _mount("-o", f"remount,size={space_kb}k", disk)
    full = lottery(*arguments)
    assert_one_line(full, 1, f"no space left on device: {disk}/", "finished rounds are kept")
    (run,) = disk.glob("*/seed_0")
    status = json.loads((run / "run.json").read_text())["status"]
    assert status in ("failed", "running")  # the disk may be too full to say so
    assert list(disk.rglob("?*.part")) == []
    finished = [file for file in round_files(run) if file.name == "round.json"]
    assert len(finished) == (1 if space_kb > 700 else 0)
    before = {file: file.stat().st_mtime_ns for file in finished}
    _mount("-o", "remount,size=8m", disk)
    done = lottery(*arguments)
    assert done.code == 0, done.err
    assert result_tables(run) == result_tables(whole.run)
    assert {file: file.stat().st_mtime_ns for file in finished} == before


def test_a_disk_that_is_full_from_the_start_is_refused(lottery: Lottery, disk: Path) -> None:
    _mount("-o", "remount,size=20k", disk)
    done = lottery(*TINY, f"output_dir={disk}")
    assert_one_line(done, 2, f"output_dir: {disk}/", "No space left on device")
    assert list(disk.rglob("*")) == []


LOCKS_ITSELF_OUT = """
import subprocess
from pytorch_lightning import Callback

class ReadOnly(Callback):
    def __init__(self, path, round):
        self.path, self.round = path, round

    def on_fit_end(self, trainer, pl_module):
        if self.round == "round_01":
            subprocess.run(["mount", "--bind", self.path, self.path], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", self.path], check=True)
"""


def test_a_folder_that_becomes_read_only_loses_no_finished_round(
    lottery: Lottery, disk: Path, write_module: Callable[[str, str], Path]
) -> None:
    whole = lottery(*TINY)
    write_module("made_read_only", LOCKS_ITSELF_OUT)
    arguments = (*TINY, f"output_dir={disk}")
    callback = "{_target_: made_read_only.ReadOnly, path: '{run_dir}/rounds', round: '{round}'}"
    done = lottery(*arguments, f"+callbacks.mine={callback}")
    (run,) = disk.glob("*/seed_0")
    try:
        place = f"read-only file system: {run}/rounds/01/es.safetensors"
        assert_one_line(done, 1, place, "finished rounds are kept")
        assert json.loads((run / "run.json").read_text())["status"] == "failed"
        assert (run / "rounds/00/round.json").is_file()
    finally:
        subprocess.run(["umount", "--lazy", run / "rounds"], check=True)
    done = lottery(*arguments)
    assert done.code == 0, done.err
    assert "round 0:" not in done.err
    assert result_tables(run) == result_tables(whole.run)


def test_a_finished_run_on_a_read_only_disk_can_be_looked_at(
    lottery: Lottery, disk: Path, folder: Path
) -> None:
    arguments = (*TINY, f"output_dir={disk}")
    first = lottery(*arguments)
    subprocess.run(["mount", "--bind", disk, disk], check=True)
    try:
        _mount("-o", "remount,bind,ro", disk)
        again = lottery(*arguments)
        assert (again.code, again.out, again.err) == (0, first.out, "")
        more = lottery(*arguments, "rounds=2")
        assert_one_line(more, 2, "cannot be written", "Read-only file system")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)

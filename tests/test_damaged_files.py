"""Files that lie and disks that end: a clear line or the same numbers, no finished round lost."""

import errno
import json
import logging
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lottery.api import load_run
from lottery.api.sweep import Sweep
from lottery.disk import DiskError, disk_errors_in
from lottery.progress import LogFile
from lottery.results import read_record, read_run_json, write_record, write_tables
from lottery.run_dir import DamagedFile, RunDir, replacing
from lottery.tensors import digest, load_tensors, save_tensors
from tests.conftest import TINY, Done, Lottery
from tests.test_results import _record

TABLES = ("results.csv", "history.csv")


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _change(file: Path) -> None:
    """Another last digit, which in a text can be read as well as the right one."""
    content = bytearray(file.read_bytes())
    digits = [place for place, byte in enumerate(content) if byte in b"0123456789"]
    text = file.suffix != ".safetensors" and digits
    content[digits[-1] if text else -1] ^= 1
    file.write_bytes(content)


DAMAGES = (_truncate, _empty, _change)


def _flip(file: Path, content: bytes, place: int) -> None:
    """One bit of one byte; which, differs from byte to byte."""
    changed = bytearray(content)
    changed[place] ^= 1 << place % 8
    file.write_bytes(changed)


def _unless_damaged(read: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return read()
    except DamagedFile:
        return None


def _tables(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in TABLES}


def _rounds(run: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in run.glob("rounds/*/*")}


def _assert_one_line(done: Done, code: int, *parts: str) -> None:
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert "Error ---" not in done.err
    lines = [line for line in done.err.splitlines() if "error: " in line]
    assert len(lines) == 1, done.err
    assert done.err.splitlines()[-1] == lines[0]
    for part in parts:
        assert part in lines[0]


# Single files


def test_a_tensor_file_with_any_byte_changed_gives_the_same_tensors_or_none(
    tmp_path: Path,
) -> None:
    tensors = {"w": torch.arange(6.0).reshape(2, 3), "mask": torch.tensor([True, False])}
    path = tmp_path / "t.safetensors"
    save_tensors(path, tensors)
    content = path.read_bytes()
    noticed = 0
    for place in range(len(content)):
        _flip(path, content, place)
        read = _unless_damaged(partial(load_tensors, path))
        assert read is None or digest(read) == digest(tensors), place
        noticed += read is None
    assert noticed > 0.8 * len(content)  # the rest is the digest's own name, and blanks
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedFile):
            load_tensors(path)


def test_tensor_files_of_the_first_release_are_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, tmp_path / "t.safetensors")
    assert load_tensors(tmp_path / "t.safetensors")["w"].tolist() == [1.0, 1.0]


def test_a_record_with_any_byte_changed_is_the_same_or_none(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_record(run, _record(3))
    path = run.round(3).record
    content = path.read_bytes()
    noticed = 0
    for place in range(len(content)):
        _flip(path, content, place)
        record = _unless_damaged(partial(read_record, run.round(3)))
        assert record is None or record.items() >= _record(3).items(), place
        noticed += record is None
    assert noticed > 0.8 * len(content)
    path.write_bytes(b"")
    line = f"{path}: damaged; remove it to do round 3 again"
    with pytest.raises(DamagedFile, match=f"^{re.escape(line)}$"):
        read_record(run.round(3))


def test_records_of_the_first_release_are_read(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.round(0).path.mkdir(parents=True)
    run.round(0).record.write_text(json.dumps(_record(0)))
    assert read_record(run.round(0)) == _record(0)
    run.round(0).record.write_text(json.dumps(_record(0)).replace('"row"', '"rov"'))
    with pytest.raises(DamagedFile):
        read_record(run.round(0))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"config": {}}', "\0" * 40])
def test_a_run_json_that_says_nothing_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DamagedFile, match=f"{tmp_path}/run.json: damaged; remove it, and the "):
        read_run_json(RunDir(tmp_path))


def test_who_changed_a_table_is_told_but_not_who_adds_rounds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunDir(tmp_path)
    for number in (None, 1, 0, 2):  # in any order: criterion.rounds leaves some out
        if number is not None:
            write_record(run, _record(number))
        write_tables(run)
    assert caplog.text == ""
    whole = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    assert len(whole) == 4
    for file, content in whole.items():
        for damage in DAMAGES:
            damage(file)
            write_tables(run)
            assert f"{file}: was damaged; made again from the rounds' records" in caplog.text
            assert file.read_bytes() == content
            caplog.clear()


def test_a_damaged_job_hides_no_other_in_a_sweeps_table(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    for number in (0, 1, 2):
        row = {"round": 1, "remaining": 0.5, "ES": 3, "val": 0.25, "test": 0.5}
        sweep.note(number, [f"seed={number}"], tmp_path / "run", "finished", "", row)
    assert sweep.all_finished()
    for text in ("", "{", "[]", "{}"):
        (tmp_path / "jobs" / "1.json").write_text(text)
        assert not sweep.all_finished()
        summary = sweep.summary()
        assert "seed=0 finished" in summary
        assert "seed=2 finished" in summary
        assert f"job 1 unknown: {tmp_path}/jobs/1.json: damaged" in summary


# Every kind of file of a finished run

BOTH = (_truncate, _change)
KINDS = {
    **dict.fromkeys(("run.json", "rounds/00/round.json", "rounds/00/start.safetensors"), BOTH),
    **dict.fromkeys(("results.csv", "results.json", "history.csv", "timing.csv"), BOTH),
    "rounds/01/masks.safetensors": (_change,),
    "rounds/01/final.safetensors": (_truncate,),
    "rounds/01/es.safetensors": (_change,),
    "lottery.log": (_truncate,),
    ".hydra/config.yaml": (_change,),
    "tensorboard/rounds/events.out.tfevents.round_0000": (_change,),
}


@pytest.fixture
def spare(lottery: Lottery, folder: Path) -> Callable[[], Path]:
    """`spare()` is the folder of a finished run in `output_dir=spare`, new each time."""
    run = lottery(*TINY).run

    def copy() -> Path:
        shutil.rmtree(folder / "spare", ignore_errors=True)
        path = folder / "spare" / run.parent.name / run.name
        return Path(shutil.copytree(run, path))

    return copy


def test_damaged_files_of_a_finished_run(lottery: Lottery, spare: Callable[[], Path]) -> None:
    look = (*TINY, "output_dir=spare")
    more = (*look, "rounds=2", "logger=none")
    run = spare()
    shown, tables = lottery(*look).out, _tables(run)
    lottery(*more)
    longer = _tables(run)
    refused = set()
    for kind, damages in KINDS.items():
        for damage in damages:
            run = spare()
            whole = _rounds(run)
            damage(run / kind)
            damaged = _rounds(run)
            done = lottery(*look)
            if done.code:
                _assert_one_line(done, 1, str(run / kind))
            else:
                assert (done.out, _tables(run)) == (shown, tables), (kind, damage)
            assert _rounds(run) == damaged  # whatever there is to say, nothing is lost
            if kind.startswith("rounds") or kind == "run.json":
                done = lottery(*more)
                if done.code:
                    refused.add(kind)
                    _assert_one_line(done, 1, str(run / kind))
                    assert _rounds(run).items() >= damaged.items()
                    _do_as_told(done, run / kind)
                    done = lottery(*more)
                assert done.code == 0, done.err
                assert _tables(run) == longer, (kind, damage)
                redone = run / kind, (run / kind).with_name("round.json")  # which has times
                others = {file: content for file, content in whole.items() if file not in redone}
                assert _rounds(run).items() >= others.items()
    assert refused == {
        *("run.json", "rounds/00/round.json"),
        *("rounds/00/start.safetensors", "rounds/01/masks.safetensors"),
        "rounds/01/final.safetensors",
    }


def _do_as_told(done: Done, file: Path) -> None:
    line = done.err.splitlines()[-1]
    if "remove it" in line:
        file.unlink()
    else:
        assert f"remove {file.parent} to do that round again" in line
        shutil.rmtree(file.parent)


def test_python_refuses_damaged_files_too(spare: Callable[[], Path]) -> None:
    run = load_run(spare())
    _change(run.path / "rounds/01/es.safetensors")
    assert run.weights(1, "final").keys() == run.weights(0).keys()
    with pytest.raises(DamagedFile, match=r"es.safetensors: damaged"):
        run.model(1)
    _change(run.path / "rounds/01/masks.safetensors")
    with pytest.raises(DamagedFile, match=r"masks.safetensors: damaged"):
        run.masks(1)
    _change(run.path / "rounds/01/round.json")
    for table in ("results", "history", "layers"):
        with pytest.raises(DamagedFile, match=r"round.json: damaged"):
            getattr(run, table)


# Disks


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
    # lazily: tensors read from a file hold it open for as long as they live
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.mark.parametrize("space_kb", [150, 724, 1200])
def test_a_run_that_fills_its_disk_goes_on_when_there_is_room(
    lottery: Lottery, disk: Path, space_kb: int
) -> None:
    whole = lottery(*TINY)
    arguments = (*TINY, f"output_dir={disk}")
    _mount("-o", f"remount,size={space_kb}k", disk)
    full = lottery(*arguments)
    _assert_one_line(full, 1, f"no space left on device: {disk}/", "finished rounds are kept")
    (run,) = disk.glob("*/seed_0")
    status = json.loads((run / "run.json").read_text())["status"]
    assert status in ("failed", "running")  # the disk may be too full to say so
    assert list(disk.rglob("?*.part")) == []
    finished = [file for file in _rounds(run) if file.name == "round.json"]
    assert len(finished) == (1 if space_kb > 700 else 0)
    before = {file: file.stat().st_mtime_ns for file in finished}
    _mount("-o", "remount,size=8m", disk)
    done = lottery(*arguments)
    assert done.code == 0, done.err
    assert _tables(run) == _tables(whole.run)
    assert {file: file.stat().st_mtime_ns for file in finished} == before


def test_a_disk_that_is_full_from_the_start_is_refused(lottery: Lottery, disk: Path) -> None:
    _mount("-o", "remount,size=20k", disk)
    done = lottery(*TINY, f"output_dir={disk}")
    _assert_one_line(done, 2, f"output_dir: {disk}/", "No space left on device")
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
        _assert_one_line(done, 1, place, "finished rounds are kept")
        assert json.loads((run / "run.json").read_text())["status"] == "failed"
        assert (run / "rounds/00/round.json").is_file()
    finally:
        subprocess.run(["umount", "--lazy", run / "rounds"], check=True)
    done = lottery(*arguments)
    assert done.code == 0, done.err
    assert "round 0:" not in done.err
    assert _tables(run) == _tables(whole.run)


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
        _assert_one_line(more, 2, "cannot be written", "Read-only file system")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)

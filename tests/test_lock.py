"""The lock of a run: one owner, named, showing life; taken over when gone, and not before."""

import errno
import json
import logging
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Thread

import pytest
from filelock import FileLock

from lottery import lock
from lottery.lock import NoFileLocks, RunLocked, locked
from tests.conftest import TINY, Lottery


@pytest.fixture(autouse=True)
def _no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    monkeypatch.setattr(lock, "POLL_SECONDS", 0.02)


HOLD = """
import sys
from pathlib import Path
from lottery.lock import RunLocked, locked
folder = Path(sys.argv[1])
try:
    with locked(folder, wait=False):
        print("held", flush=True)
        sys.stdin.read()
        (folder / "work is done").touch()
except RunLocked:
    print("refused", flush=True)
"""


def _start(folder: Path) -> "Popen[str]":
    command = [sys.executable, "-c", HOLD, str(folder)]
    return Popen(command, stdin=PIPE, stdout=PIPE, text=True)


@contextmanager
def _held(folder: Path) -> Iterator["Popen[str]"]:
    """Another process that holds the folder until its stdin is closed."""
    with _start(folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def _owner(folder: Path) -> dict[str, object]:
    entry: dict[str, object] = json.loads((folder / ".owner.json").read_text())
    return entry


def _left_by(folder: Path, age: float, **owner: object) -> Path:
    """The file of an owner on another host, whose last sign of life is so old."""
    file = folder / ".owner.json"
    file.write_text(json.dumps({"host": "elsewhere", "process": 17, "job": None} | owner))
    then = time.time() - age
    os.utime(file, (then, then))
    return file


def _assert_free(folder: Path) -> None:
    with locked(folder, wait=False):
        assert _owner(folder)["process"] == os.getpid()


# On one host


def test_a_second_process_is_refused_and_told_the_owner(tmp_path: Path) -> None:
    with _held(tmp_path) as owner:
        for _ in range(2):  # a refused one takes nothing away
            refusal = (
                f"{tmp_path}: process {owner.pid} on {socket.gethostname()}, "
                r"last sign of life \d s ago, is working here"
            )
            with pytest.raises(RunLocked, match=refusal), locked(tmp_path, wait=False):
                pytest.fail("two processes in one folder")


def test_a_killed_owner_on_this_host_is_replaced_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _held(tmp_path) as owner:
        owner.kill()
        owner.wait()
        assert _owner(tmp_path)["process"] == owner.pid  # it had no time to say anything
        with locked(tmp_path, wait=False):
            assert not (tmp_path / "work is done").exists()
    assert f"process {owner.pid} on {socket.gethostname()}, last sign of life" in caplog.text
    assert "has died; taking over" in caplog.text


def test_a_stopped_owner_on_this_host_keeps_its_lock(tmp_path: Path) -> None:
    with _held(tmp_path) as owner:
        owner.send_signal(signal.SIGSTOP)
        long_ago = time.time() - 400
        os.utime(tmp_path / ".owner.json", (long_ago, long_ago))
        with pytest.raises(RunLocked, match=r"40[0-9] s ago"), locked(tmp_path, wait=False):
            pytest.fail("two processes in one folder")


def test_the_folder_is_free_after_its_owner_has_ended(tmp_path: Path) -> None:
    with _held(tmp_path) as owner:
        owner.communicate()
        assert owner.returncode == 0
        assert (tmp_path / "work is done").exists()
        assert sorted(file.name for file in tmp_path.iterdir()) == [".lock", "work is done"]
        _assert_free(tmp_path)


def test_who_waits_goes_on_when_the_owner_has_done_its_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    done: list[bool] = []

    def wait() -> None:
        with locked(tmp_path, wait=True):
            done.append((tmp_path / "work is done").exists())

    with _held(tmp_path) as owner:
        waiting = Thread(target=wait)
        waiting.start()
        waiting.join(0.3)
        assert done == []
        owner.communicate()
        waiting.join()
    assert done == [True]
    assert caplog.text.count("waiting") == 1  # said once
    assert f"process {owner.pid} on " in caplog.text


def test_nothing_is_left_after_an_exception(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    for _ in range(2):
        with pytest.raises(RuntimeError, match="training"), locked(folder, wait=False):
            raise RuntimeError("training")
        assert [file.name for file in folder.iterdir()] == [".lock"]


def test_folders_are_locked_one_by_one(tmp_path: Path) -> None:
    with _held(tmp_path / "seed_0"), locked(tmp_path / "seed_1", wait=False):
        pass


def test_of_two_processes_one_gets_a_stale_lock(tmp_path: Path) -> None:
    _left_by(tmp_path, 301)
    processes = [_start(tmp_path) for _ in range(2)]
    try:
        streams = [process.stdout for process in processes]
        answers = [stream.readline() for stream in streams if stream is not None]
        assert sorted(answers) == ["held\n", "refused\n"]
        winner = processes[answers.index("held\n")]
        assert _owner(tmp_path)["process"] == winner.pid
    finally:
        for process in processes:
            process.communicate()


# On several hosts, whose file system shows none the other's locks


def test_another_hosts_owner_is_left_alone_until_it_shows_no_life_for_five_minutes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = _left_by(tmp_path, 298, job="812_3")
    before = file.read_bytes()
    refusal = r"process 17 on elsewhere \(job 812_3\), last sign of life 29[89] s ago, is working"
    with pytest.raises(RunLocked, match=refusal), locked(tmp_path, wait=False):
        pytest.fail("two processes in one folder")
    assert file.read_bytes() == before
    _left_by(tmp_path, 301, job="812_3")
    _assert_free(tmp_path)
    assert (
        "process 17 on elsewhere (job 812_3), last sign of life 301 s ago, is gone" in caplog.text
    )


def test_who_waits_takes_over_as_soon_as_it_may(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _left_by(tmp_path, 299.5)
    begun = time.monotonic()
    with locked(tmp_path, wait=True):
        assert 0.4 < time.monotonic() - begun < 3
    assert caplog.text.count("; waiting") == 1


def test_ages_are_measured_by_the_clock_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _left_by(tmp_path, 250)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)  # this host's is an hour ahead
    with pytest.raises(RunLocked, match=r"25[0-9] s ago"), locked(tmp_path, wait=False):
        pytest.fail("two processes in one folder")


def test_an_owner_that_cannot_be_read_is_nobody(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '"text"'):
        (tmp_path / ".owner.json").write_text(text)
        _assert_free(tmp_path)


# Heartbeat


def test_the_owner_shows_life_until_it_ends(tmp_path: Path) -> None:
    file = tmp_path / ".owner.json"
    with locked(tmp_path, wait=False, heartbeat_seconds=0.01):
        os.utime(file, (0, 0))
        deadline = time.monotonic() + 5
        while file.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert abs(file.stat().st_mtime - time.time()) < 5
    assert not file.exists()


def test_the_thread_ends_at_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    with locked(tmp_path, wait=False):  # beats every half minute
        assert "heartbeat" in {thread.name for thread in threading.enumerate()}
    assert time.monotonic() - begun < 5
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


# Who slept too long


def test_who_was_replaced_while_it_slept_is_told_by_whom(tmp_path: Path) -> None:
    with locked(tmp_path, wait=False, heartbeat_seconds=0.01) as ownership:
        ownership.check_owned()
        file = _left_by(tmp_path, 0)  # another host has taken over
        os.utime(file, (0, 0))
        with pytest.raises(RunLocked, match="process 17 on elsewhere has taken over from process"):
            ownership.check_owned()
        time.sleep(0.1)
        assert file.stat().st_mtime == 0  # no sign of life in another's name
    assert _owner(tmp_path)["host"] == "elsewhere"  # nor is its file removed


def test_a_later_process_with_the_same_id_is_another(tmp_path: Path) -> None:
    with locked(tmp_path, wait=False) as ownership:
        (tmp_path / ".owner.json").write_text(json.dumps(_owner(tmp_path) | {"token": "another"}))
        with pytest.raises(RunLocked, match="has taken over"):
            ownership.check_owned()


def test_no_two_owners_have_the_same_token(tmp_path: Path) -> None:
    tokens = set()
    for _ in range(3):
        with locked(tmp_path, wait=False):
            tokens.add(_owner(tmp_path)["token"])
    assert len(tokens) == 3


def test_without_an_owners_file_the_folder_is_ours(tmp_path: Path) -> None:
    with locked(tmp_path, wait=False) as ownership:
        (tmp_path / ".owner.json").unlink()
        ownership.check_owned()


def test_worker_processes_can_ask_too(tmp_path: Path) -> None:
    with locked(tmp_path, wait=False) as ownership:
        handed_over = pickle.loads(pickle.dumps(ownership))
        handed_over.check_owned()
        _left_by(tmp_path, 0)
        with pytest.raises(RunLocked):
            handed_over.check_owned()


# SLURM


@pytest.mark.parametrize(
    ("variables", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "77"}, "77"),
        # a task of an array also has a number of its own, which nobody asks by
        ({"JOB_ID": "79", "ARRAY_JOB_ID": "77", "ARRAY_TASK_ID": "0"}, "77_0"),
    ],
)
def test_the_owner_names_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], job: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv("SLURM_" + name.removeprefix("SLURM_"), value)
    with locked(tmp_path, wait=False):
        assert _owner(tmp_path)["job"] == job
        assert _owner(tmp_path)["host"] == socket.gethostname()


def test_a_requeued_job_takes_its_own_folder_over_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _left_by(tmp_path, 1, job="77", restarts=0)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    for other in ("", "76", "7"):
        monkeypatch.setenv("SLURM_JOB_ID", other)
        with pytest.raises(RunLocked), locked(tmp_path, wait=False):
            pytest.fail("another job's folder")
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    _assert_free(tmp_path)


def test_two_steps_of_one_job_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    _left_by(tmp_path, 1, job="77", restarts=1)
    with pytest.raises(RunLocked), locked(tmp_path, wait=False):
        pytest.fail("the folder of a step that runs")


# File systems


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSYS, "no"), OSError(errno.ENOLCK, "no"), NotImplementedError()]
)
def test_a_file_system_without_locks_is_refused_in_one_line(
    lottery: Lottery, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", fail)
    done = lottery(*TINY)
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert line.endswith(
        "seed_0: this file system has no file locks; choose an output_dir on one that has"
    )
    with pytest.raises(NoFileLocks), locked(Path("folder"), wait=False):
        pytest.fail("not locked")


def test_other_errors_of_the_disk_are_not_taken_for_missing_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(FileLock, "acquire", fail)
    with pytest.raises(OSError, match="full"), locked(tmp_path, wait=False):
        pytest.fail("not locked")

"""The lock of a run: one owner, named; taken over when gone, and not before."""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Thread

import pytest

from lottery.runs import run_lock
from lottery.runs.run_lock import RunLocked, locked
from tests.helpers.locks import assert_free, left_by, owner_of
from tests.helpers.sweeps import wait_for

pytestmark = pytest.mark.usefixtures("no_job")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "POLL_SECONDS", 0.02)


HOLD = """
import sys
from pathlib import Path
from lottery.runs.run_lock import RunLocked, locked
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
        assert owner_of(tmp_path)["process"] == owner.pid  # it had no time to say anything
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
        assert_free(tmp_path)


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
    assert caplog.text.count("waiting") == 1  # it says so once
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
    left_by(tmp_path, 301)
    processes = [_start(tmp_path) for _ in range(2)]
    try:
        streams = [process.stdout for process in processes]
        answers = [stream.readline() for stream in streams if stream is not None]
        assert sorted(answers) == ["held\n", "refused\n"]
        winner = processes[answers.index("held\n")]
        assert owner_of(tmp_path)["process"] == winner.pid
    finally:
        for process in processes:
            process.communicate()


# On several hosts that do not see each other's locks


def test_another_hosts_owner_is_left_alone_until_it_shows_no_life_for_five_minutes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = left_by(tmp_path, 298, job="812_3")
    before = file.read_bytes()
    refusal = r"process 17 on elsewhere \(job 812_3\), last sign of life 29[89] s ago, is working"
    with pytest.raises(RunLocked, match=refusal), locked(tmp_path, wait=False):
        pytest.fail("two processes in one folder")
    assert file.read_bytes() == before
    left_by(tmp_path, 301, job="812_3")
    assert_free(tmp_path)
    assert (
        "process 17 on elsewhere (job 812_3), last sign of life 301 s ago, is gone" in caplog.text
    )


def test_who_waits_takes_over_as_soon_as_it_may(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    left_by(tmp_path, 0)
    waiting = Thread(target=assert_free, args=(tmp_path,), kwargs={"wait": True})
    waiting.start()
    wait_for(lambda: "; waiting" in caplog.text)
    left_by(tmp_path, 301)
    waiting.join()
    assert "last sign of life 301 s ago, is gone; taking over" in caplog.text
    assert caplog.text.count("; waiting") == 1


def test_ages_are_measured_by_the_clock_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by(tmp_path, 250)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)  # this host's is an hour ahead
    with pytest.raises(RunLocked, match=r"25[0-9] s ago"), locked(tmp_path, wait=False):
        pytest.fail("two processes in one folder")


def test_an_owner_that_cannot_be_read_is_nobody(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '"text"'):
        (tmp_path / ".owner.json").write_text(text)
        assert_free(tmp_path)

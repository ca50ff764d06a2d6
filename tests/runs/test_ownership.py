"""The owner of a run's folder: signs of life, later owners, SLURM jobs, disks without locks."""

import errno
import json
import os
import pickle
import socket
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from lottery.runs.run_lock import NoFileLocks, RunLocked, RunTakenOver, locked
from tests.conftest import PATIENCE, TINY, Lottery
from tests.helpers.locks import assert_free, left_by, owner_of
from tests.helpers.sweeps import wait_for

pytestmark = pytest.mark.usefixtures("no_job")


# Heartbeat


def test_the_owner_shows_life_until_it_ends(tmp_path: Path) -> None:
    file = tmp_path / ".owner.json"
    begun = time.time()
    with locked(tmp_path, wait=False, heartbeat_seconds=0.01):
        os.utime(file, (0, 0))
        wait_for(lambda: file.stat().st_mtime != 0)
        assert file.stat().st_mtime > begun - 5
    assert not file.exists()


def test_the_thread_ends_at_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    with locked(tmp_path, wait=False, heartbeat_seconds=PATIENCE):
        assert "heartbeat" in {thread.name for thread in threading.enumerate()}
    assert time.monotonic() - begun < PATIENCE
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


# A process that slept too long


def test_who_was_replaced_while_it_slept_is_told_by_whom(tmp_path: Path) -> None:
    with locked(tmp_path, wait=False, heartbeat_seconds=0.01) as ownership:
        ownership.check_owned()
        file = left_by(tmp_path, 0)  # another host has taken over
        os.utime(file, (0, 0))
        with pytest.raises(
            RunTakenOver, match="process 17 on elsewhere has taken over from process"
        ):
            ownership.check_owned()
        time.sleep(0.1)
        assert file.stat().st_mtime == 0  # no sign of life in another's name
    assert owner_of(tmp_path)["host"] == "elsewhere"  # nor is its file removed


def test_a_later_process_with_the_same_id_is_another(tmp_path: Path) -> None:
    with locked(tmp_path, wait=False) as ownership:
        (tmp_path / ".owner.json").write_text(
            json.dumps(owner_of(tmp_path) | {"token": "another"})
        )
        with pytest.raises(RunTakenOver, match="has taken over"):
            ownership.check_owned()


def test_no_two_owners_have_the_same_token(tmp_path: Path) -> None:
    tokens = set()
    for _ in range(3):
        with locked(tmp_path, wait=False):
            tokens.add(owner_of(tmp_path)["token"])
    assert len(tokens) == 3


def test_without_an_owners_file_the_folder_is_ours(tmp_path: Path) -> None:
    with locked(tmp_path, wait=False) as ownership:
        (tmp_path / ".owner.json").unlink()
        ownership.check_owned()


def test_worker_processes_can_ask_too(tmp_path: Path) -> None:
    with locked(tmp_path, wait=False) as ownership:
        handed_over = pickle.loads(pickle.dumps(ownership))
        handed_over.check_owned()
        left_by(tmp_path, 0)
        with pytest.raises(RunTakenOver):
            handed_over.check_owned()


# SLURM


@pytest.mark.parametrize(
    ("variables", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "77"}, "77"),
        # a task of an array also has a number of its own, which nobody uses
        ({"JOB_ID": "79", "ARRAY_JOB_ID": "77", "ARRAY_TASK_ID": "0"}, "77_0"),
    ],
)
def test_the_owner_names_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], job: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv("SLURM_" + name.removeprefix("SLURM_"), value)
    with locked(tmp_path, wait=False):
        assert owner_of(tmp_path)["job"] == job
        assert owner_of(tmp_path)["host"] == socket.gethostname()


def test_a_requeued_job_takes_its_own_folder_over_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by(tmp_path, 1, job="77", restarts=0)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    for other in ("", "76", "7"):
        monkeypatch.setenv("SLURM_JOB_ID", other)
        with pytest.raises(RunLocked), locked(tmp_path, wait=False):
            pytest.fail("another job's folder")
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert_free(tmp_path)


def test_two_steps_of_one_job_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    left_by(tmp_path, 1, job="77", restarts=1)
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
        "seed_0: this file system has no file locks; choose an output_dir on one with locks"
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

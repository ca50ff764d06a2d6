"""The lock of a run's folder. It names its owner; the owner shows regularly that it is alive."""

import errno
import logging
import math
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from filelock import FileLock, Timeout

from lottery.errors import ConfigError, LotteryError
from lottery.record.files import DamagedFile, read_json, write_json
from lottery.runs.run_folder import check_entry
from lottery.signals import Stopped, of_main_thread
from lottery.turns import away

log = logging.getLogger(__name__)

T = TypeVar("T")

HEARTBEAT_SECONDS = 30.0
STALE_SECONDS = 300.0  # a heartbeat of this age: the process on another host counts as gone
POLL_SECONDS = 1.0
NO_FLOCK = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


class RunLocked(ConfigError):
    """Another process is working in the folder; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; wait for it to end")
        self.reason = reason

    def __reduce__(self) -> tuple[type["RunLocked"], tuple[str]]:
        return RunLocked, (self.reason,)  # it is sent to the other processes of a run


class RunTakenOver(LotteryError):
    """Another host's process has taken the folder over from this run."""


class NoFileLocks(ConfigError):
    """The file system of the folder cannot lock files."""


@dataclass(frozen=True)
class Owner:
    """The process that works in a folder. `.owner.json` names it; its mtime is the heartbeat."""

    host: str
    process: int
    job: str | None = None  # of SLURM, with the index in its array
    restarts: int | None = None  # how often SLURM has started the job again
    token: str | None = None  # a random text, because process ids are used again

    def __str__(self) -> str:
        job = f" (job {self.job})" if self.job else ""
        return f"process {self.process} on {self.host}{job}"


@dataclass(frozen=True)
class Ownership:
    """A folder that a process holds; its worker processes hold it together with it."""

    folder: Path
    owner: Owner

    def check_owned(self) -> None:
        """Raise RunTakenOver if another host has taken over from a process that slept too long."""
        if self.lost:
            raise RunTakenOver(
                f"{self.folder}: {_read_owner(self.folder)} has taken over from {self.owner}, "
                f"which showed no life for {STALE_SECONDS / 60:g} minutes"
            )

    @property
    def lost(self) -> bool:
        """Whether the folder names another owner. A folder that names none is still ours."""
        return _read_owner(self.folder) not in (self.owner, None)


@contextmanager
def locked(
    folder: Path, *, wait: bool, heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> Iterator[Ownership]:
    """Hold a run's folder, made if it is missing; wait for the present owner, or refuse.

    The kernel frees the lock when the process dies. Hosts may not see each other's locks,
    therefore there is a heartbeat too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in (folder / ".lock", _owner_file(folder)):
        if os.path.lexists(file):
            check_entry(file)
    # A soft lock would survive kill -9 and block the run for ever. The file stays: if it were
    # removed, two processes could lock two files of one name.
    lock = FileLock(folder / ".lock", fallback_to_soft=False)
    ownership = Ownership(folder, _this_process())
    try:
        when_free(lambda: _acquire(lock, ownership), wait=wait)
        write_json(_owner_file(folder), asdict(ownership.owner))
        with _heart(ownership, heartbeat_seconds):
            yield ownership
    finally:
        if lock.is_locked:
            if not ownership.lost:
                with suppress(OSError):  # the file of a process that is gone does no harm
                    _owner_file(folder).unlink(missing_ok=True)
            lock.release()


def when_free(take: Callable[[], T], *, wait: bool) -> T:
    """Return what `take` returns, which raises RunLocked as long as another has the folder.

    Waiting is said once.
    """
    told = False
    while True:
        try:
            return take()
        except RunLocked as refusal:
            if not wait:
                raise
            if not told:
                log.info("%s; waiting", refusal.reason)
                told = True
        _pause()


def _pause() -> None:
    """Wait for the next try. Runs in other threads of this process go on meanwhile."""
    with away():
        time.sleep(POLL_SECONDS)
    if (main := of_main_thread.get()) and main.signum:
        raise Stopped(main.signum, "while it waited for its folder")


def _acquire(lock: FileLock, ownership: Ownership) -> None:
    """Take the lock; RunLocked says why it cannot be taken."""
    folder = ownership.folder
    try:
        lock.acquire(timeout=0)
    except Timeout:
        other = f"{_read_owner(folder) or 'another process'}{_life(folder)}"
        raise RunLocked(f"{folder}: {other} is working here") from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_FLOCK:
            raise
        raise NoFileLocks(
            f"{folder}: this file system has no file locks; choose an output_dir on one with locks"
        ) from error
    refusal = _judge_last(folder, ownership.owner)
    if refusal:
        lock.release()
        raise RunLocked(f"{folder}: {refusal}")


def _judge_last(folder: Path, here: Owner) -> str:
    """Return "" if the last owner, maybe on another host, is gone; else why it may be working."""
    last = _read_owner(folder)
    if last is None:
        return ""
    if last.host == here.host:  # this kernel sees that its lock is free
        why = "has died"
    elif here.job and last.job == here.job and last.restarts != here.restarts:
        why = "was this job before its requeue"
    elif _heartbeat_age(folder) >= STALE_SECONDS:
        why = "is gone"
    else:
        return (
            f"{last}{_life(folder)} is working here; it counts as gone when its last sign of "
            f"life is {STALE_SECONDS / 60:g} minutes old"
        )
    log.warning("%s: %s%s %s; taking over", folder, last, _life(folder), why)
    return ""


def _this_process() -> Owner:
    job = os.environ.get("SLURM_JOB_ID")
    array, index = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    return Owner(
        host=socket.gethostname(),
        process=os.getpid(),
        job=f"{array}_{index}" if job and array and index else job or None,
        # two steps of one job have the same number: neither takes over from the other
        restarts=int(os.environ.get("SLURM_RESTART_COUNT") or 0),
        token=secrets.token_hex(8),
    )


def has_owner(folder: Path) -> bool:
    """Return whether a process works in a folder, or was killed there."""
    return _owner_file(folder).exists()


def works_there(folder: Path) -> bool:
    """Return whether a process works in a folder, as far as files show that nobody touches.

    The lock itself is not tried: a run that starts meanwhile would be refused.
    """
    owner = _read_owner(folder)
    try:
        age = time.time() - _owner_file(folder).stat().st_mtime
    except OSError:
        return False
    if owner is None or age >= STALE_SECONDS:
        return False
    return owner.host != socket.gethostname() or _is_alive(owner.process)


def _is_alive(process: int) -> bool:
    if process < 1:  # kill would take it for a group
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def _owner_file(folder: Path) -> Path:
    return folder / ".owner.json"


def _read_owner(folder: Path) -> Owner | None:
    """Return the owner that the folder names; None if the file is missing or damaged."""
    try:
        entry = read_json(_owner_file(folder))
        return Owner(**{field.name: entry.get(field.name) for field in fields(Owner)})
    except (OSError, DamagedFile, AttributeError):
        return None


def _heartbeat_age(folder: Path) -> float:
    """Return the seconds since the owner's last sign of life; infinite if it has just ended.

    The clock is the file system's, because the hosts' clocks differ.
    """
    with tempfile.TemporaryFile(dir=folder) as new:
        os.utime(new.fileno())
        now = os.fstat(new.fileno()).st_mtime
    try:
        with _owner_file(folder).open() as file:  # opening refreshes a network file system
            return max(0.0, now - os.fstat(file.fileno()).st_mtime)
    except FileNotFoundError:
        return math.inf


def _life(folder: Path) -> str:
    age = _heartbeat_age(folder)
    return "" if math.isinf(age) else f", last sign of life {age:.0f} s ago,"


@contextmanager
def _heart(ownership: Ownership, seconds: float) -> Iterator[None]:
    """Touch the owner's file at regular times, as long as the file is ours."""
    stop = Event()

    def beat() -> None:
        while not stop.wait(seconds):
            with suppress(OSError):  # the disk is full or away; it may be back at the next beat
                if not ownership.lost:
                    os.utime(_owner_file(ownership.folder))

    thread = Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

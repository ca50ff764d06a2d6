"""The rounds of a run, trained in this process or in workers that this machine starts."""

import ctypes
import logging.config
import os
import pickle
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.config import ProcessRank
from lottery.errors import LotteryError, memory_errors
from lottery.record.disk_errors import disk_errors_in
from lottery.record.files import replacing
from lottery.record.schema import Row
from lottery.runs.process_group import WorkerDied, joined
from lottery.runs.run_lock import Ownership
from lottery.runs.shared_data import DataMemory, offered_data, share_data
from lottery.signals import Stopped, StopRequest
from lottery.turns import my_number

if TYPE_CHECKING:
    from torch.multiprocessing.spawn import ProcessContext

    from lottery.config.experiment import Experiment

MEETING = ".workers"  # a folder in the run's: after kill -9 the next start removes it
SAFE_PATH = "PYTHONSAFEPATH"
GRACE_SECONDS = 10.0  # for the other workers, when one has failed
SET_PARENT_DEATH_SIGNAL = 1  # of prctl


def train_rounds(
    experiment: "Experiment", ownership: Ownership, data: DataMemory | None = None
) -> list[Row]:
    """Do the remaining rounds in this process; return the rows of all that were asked for.

    `data` are those of the process that has started this one.
    """
    from lottery.distributed import is_main
    from lottery.imp import run_rounds
    from lottery.reinit import steps_to_come

    share_data(experiment, data)
    imp = experiment.imp
    todo = imp.rounds.todo(imp.rows())
    later = steps_to_come(imp.reinit, imp.num_steps)
    steps = [later if number else imp.num_steps for number in todo]
    with (
        disk_errors_in(imp.run_dir.path),
        memory_errors(),
        # a terminal has room for one bar: that of the first run of a group
        experiment.progress.running(todo, steps, visible=is_main() and my_number() == 0),
    ):
        return run_rounds(imp, ownership.check_owned, experiment.progress.show_rows)


@dataclass(frozen=True)
class WorkerTask:
    """What a worker is told."""

    config: Mapping[str, Any]
    ownership: Ownership  # of the process that starts the workers
    num_workers: int
    data: DataMemory  # of the starter
    meeting: Path  # a folder in which the workers find each other and leave their errors
    log_config: Mapping[str, Any] | None  # of rank 0; None logs as Python does by itself
    starter: int  # process id


def train_in_workers(experiment: "Experiment", ownership: Ownership) -> None:
    """Do the remaining rounds in new processes, one per device, that live through all rounds."""
    with offered_data(experiment) as data:
        _train_in_workers(experiment, ownership, data)


def _train_in_workers(experiment: "Experiment", ownership: Ownership, data: DataMemory) -> None:
    from torch.multiprocessing.spawn import ProcessException, start_processes

    from lottery.config.hydra_setup import job_logging

    stop, num_workers = experiment.stop, experiment.device.num_devices
    task = WorkerTask(
        config=experiment.settings.config,
        ownership=ownership,
        num_workers=num_workers,
        data=data,
        meeting=ownership.folder / MEETING,
        log_config=job_logging(),
        starter=os.getpid(),
    )
    task.meeting.mkdir()
    # spawn: a forked process would share this one's threads and its CUDA
    with safe_path():
        context = start_processes(  # type: ignore[no-untyped-call]
            work, (task,), num_workers, join=False, start_method="spawn"
        )
    try:
        _watch(context, stop)
    except ProcessException as error:
        left = _left_errors(task.meeting)
        if stop.signum:
            stops = [cause for cause in left if isinstance(cause, Stopped)]
            raise stops[0] if stops else Stopped(stop.signum, "") from None
        causes = [cause for cause in left if not isinstance(cause, WorkerDied)]
        raise (*causes, *_killed(context), error)[0] from None
    finally:
        for process in context.processes:
            process.kill()  # does nothing to a process that has ended
        shutil.rmtree(task.meeting, ignore_errors=True)


@contextmanager
def safe_path() -> Iterator[None]:
    """Start Python without the current folder, whose files may have names of Python's modules.

    A process that multiprocessing starts then takes over our `sys.path`.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        del os.environ[SAFE_PATH]
        if before is not None:
            os.environ[SAFE_PATH] = before


def _watch(context: "ProcessContext", stop: StopRequest) -> None:
    """Wait for the workers; pass a request to stop on to them, once."""
    told = False
    while not context.join(timeout=0.2, grace_period=GRACE_SECONDS):
        if stop.signum and not told:
            told = True
            for process in context.processes:
                process.terminate()


def _left_errors(meeting: Path) -> list[BaseException]:
    """Return the errors that workers have left; the earliest, which is the cause, comes first."""
    files = sorted(meeting.glob("error_*"), key=lambda file: file.stat().st_mtime_ns)
    return [pickle.loads(file.read_bytes()) for file in files]


def _killed(context: "ProcessContext") -> list[WorkerDied]:
    """Return the workers killed by a signal, except those that we terminated ourselves."""
    codes = [(rank, process.exitcode or 0) for rank, process in enumerate(context.processes)]
    return [
        WorkerDied(f"the process of rank {rank} was killed by {signal.Signals(-code).name}")
        for rank, code in codes
        if code < 0 and -code != signal.SIGTERM
    ]


def work(local_rank: int, task: WorkerTask) -> None:
    """Do the whole run as one of its processes."""
    # The kernel kills this process when its starter dies: the folder is another's then.
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != task.starter:  # it has died already
        sys.exit(1)
    os.environ.pop(SAFE_PATH)  # it was for our own start
    if local_rank == 0 and task.log_config is not None:
        logging.config.dictConfig(dict(task.log_config))
    from lottery.config import prepare

    process = ProcessRank(
        rank=local_rank, local_rank=local_rank, node=0, processes=task.num_workers
    )
    experiment = prepare(task.config, task.ownership.folder, process)
    with experiment.stop.listening():  # until the error is written
        try:
            with joined(process, experiment.device, task.meeting):
                train_rounds(experiment, task.ownership, task.data)
        except BaseException as error:  # noqa: BLE001  # the starter raises it
            with replacing(task.meeting / f"error_{local_rank:04d}") as aside:
                aside.write_bytes(pickle.dumps(_sendable(error, local_rank)))
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(1)  # no clean-up: NCCL's could wait for the other processes


def _sendable(error: BaseException, rank: int) -> BaseException:
    """Return an error that pickle can send. Of an unknown one it holds the traceback as text."""
    if isinstance(error, LotteryError | Stopped):
        return error
    text = traceback.format_exc()
    return RuntimeError(f"rank {rank}: {text.splitlines()[-1]}\n{text}")

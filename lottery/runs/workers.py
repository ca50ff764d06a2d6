"""The processes of a run on several devices: found ready-made, or started and watched here."""

import ctypes
import logging.config
import os
import pickle
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.config import ConfigError, ProcessRank
from lottery.config.rules import get_nested
from lottery.record.files import replacing
from lottery.runs.run_lock import Ownership
from lottery.signals import Stopped, StopRequest

if TYPE_CHECKING:
    from torch.multiprocessing.spawn import ProcessContext

    from lottery.training import Device

GRACE_SECONDS = 10.0  # for the others, when one process has failed


class WorkerDied(Exception):
    """One of the run's processes was killed."""


class WorkerFailed(Exception):
    """An error in code on one rank; the message ends with its traceback."""


@dataclass(frozen=True)
class Job:
    """What a worker is told.

    Args:
        config: the composed config as plain containers.
        ownership: of the run's folder, held by the process that starts the workers.
        processes: how many workers there are.
        meeting: a folder for the workers to find one another, and to leave their errors.
        log_config: of the main process, which rank 0 logs like.
        parent: process id of the starter.
    """

    config: Mapping[str, Any]
    ownership: Ownership
    processes: int
    meeting: Path
    log_config: Mapping[str, Any] | None
    parent: int


def find_process_rank(config: Mapping[str, Any]) -> ProcessRank:
    """Find this process's rank among those that srun or torchrun has started for the run.

    Args:
        config: the composed config, nothing of it checked yet.
    """
    asked = [get_nested(config, f"trainer.{name}") for name in ("devices", "num_nodes")]
    if asked == [1, 1]:
        return ProcessRank()  # whatever else was started beside it
    env = os.environ
    if "TORCHELASTIC_RUN_ID" in env:
        names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE")
    elif int(env.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        names = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_STEP_NUM_TASKS")
    else:
        return ProcessRank()
    try:
        rank, local_rank, node, processes = (int(env[name]) for name in names)
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"trainer.devices: a part of what SLURM or torchrun sets is not there: {error}; unset "
            f"{names[-1]} to start processes here"
        ) from error
    return ProcessRank(rank, local_rank, node, processes)


@contextmanager
def joined(process: ProcessRank, device: "Device", meeting: Path | None = None) -> Iterator[None]:
    """Join the run's other processes for a while; nothing to do for one that is alone.

    Args:
        process: which process this is.
        device: what it trains on.
        meeting: a folder through which workers on one machine find one another; otherwise they
            do so as torchrun or SLURM have told them.
    """
    if process.processes == 1:
        yield
        return
    import torch
    import torch.distributed as dist

    from lottery.distributed import max_over_ranks

    # Lightning looks here for ready-made processes, and would choose its own number of threads.
    os.environ |= {"LOCAL_RANK": str(process.local_rank), "NODE_RANK": str(process.node)}
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    if device.accelerator == "gpu":
        torch.cuda.set_device(device.torch_device)
    if meeting is None and "MASTER_ADDR" not in os.environ:
        os.environ |= _slurm_address()
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device.accelerator == "gpu" else "gloo",
            init_method=f"file://{meeting}/ranks" if meeting else "env://",
            rank=process.rank,
            world_size=process.processes,
            timeout=timedelta(seconds=device.timeout),
        )
        yield
        max_over_ranks([0])  # nobody leaves while another still listens to it
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "Connection" not in str(error):
            raise
        raise WorkerDied("another process of the run is gone, or never came") from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _slurm_address() -> dict[str, str]:
    """Where the tasks of a SLURM step meet: on the first node, a port of the job's own."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    host = SLURMEnvironment.resolve_root_node_address(os.environ["SLURM_STEP_NODELIST"])
    number = 10 * int(os.environ["SLURM_JOB_ID"]) + int(os.environ["SLURM_STEP_ID"])
    return {"MASTER_ADDR": host, "MASTER_PORT": str(15000 + number % 15000)}


def train_in_workers(
    config: Mapping[str, Any],
    device: "Device",
    ownership: Ownership,
    stop: StopRequest,
    log_config: Mapping[str, Any] | None,
) -> None:
    """Train a run in processes of its own, one per device, that live through all rounds.

    Args:
        config: the composed config as plain containers.
        device: whose `num_devices` says how many.
        ownership: of the run's folder.
        stop: a signal that is noted here is passed on.
        log_config: what rank 0 logs by.

    Raises:
        Stopped: a signal asked for it.
        WorkerDied: one was killed.
    """
    from torch.multiprocessing.spawn import ProcessException, start_processes

    with tempfile.TemporaryDirectory(prefix="lottery-") as meeting:
        folder = Path(meeting)
        job = Job(config, ownership, device.num_devices, folder, log_config, os.getpid())
        # A process of its own kind: a forked one would share the parent's threads and its CUDA.
        context = start_processes(  # type: ignore[no-untyped-call]
            work, (job,), device.num_devices, join=False, start_method="spawn"
        )
        try:
            _watch(context, stop)
        except ProcessException as error:
            left = _left_errors(folder)
            if stop.signum:
                stops = [cause for cause in left if isinstance(cause, Stopped)]
                raise stops[0] if stops else Stopped(stop.signum, "") from None
            causes = [cause for cause in left if not isinstance(cause, WorkerDied)]
            raise (*causes, *_killed(context), error)[0] from None
        finally:
            for process in context.processes:
                process.kill()  # nothing to those that have ended


def _watch(context: "ProcessContext", stop: StopRequest) -> None:
    """Wait for the workers, passing a request to stop on to them, once."""
    told = False
    while not context.join(timeout=0.2, grace_period=GRACE_SECONDS):
        if stop.signum and not told:
            told = True
            for process in context.processes:
                process.terminate()


def _left_errors(folder: Path) -> list[BaseException]:
    """The errors that workers have left, the first one, which is the cause, first."""
    files = sorted(folder.glob("error_*"), key=lambda file: file.stat().st_mtime_ns)
    return [pickle.loads(file.read_bytes()) for file in files]


def _killed(context: "ProcessContext") -> list[WorkerDied]:
    """Whom a signal has killed, other than ours to those that outlived the others."""
    codes = [(rank, process.exitcode or 0) for rank, process in enumerate(context.processes)]
    return [
        WorkerDied(f"the process of rank {rank} was killed by {signal.Signals(-code).name}")
        for rank, code in codes
        if code < 0 and -code != signal.SIGTERM
    ]


def work(local_rank: int, job: Job) -> None:
    """A worker: the whole run, as one of its processes.

    Args:
        local_rank: which one.
        job: what to do.
    """
    _die_with(job.parent)
    if local_rank == 0 and job.log_config is not None:
        logging.config.dictConfig(dict(job.log_config))
    from lottery.config import prepare
    from lottery.runs.lifecycle import is_known, train

    process = ProcessRank(local_rank, local_rank, node=0, processes=job.processes)
    experiment = prepare(job.config, job.ownership.folder, process)
    with experiment.stop.listening():  # until the error is written
        try:
            with joined(process, experiment.device, job.meeting):
                train(experiment, job.ownership)
        except BaseException as error:  # noqa: BLE001  # it is raised by the starter
            if not isinstance(error, Stopped) and not is_known(error):
                what = traceback.format_exc()
                error = WorkerFailed(f"rank {local_rank}: {what.splitlines()[-1]}\n{what}")
            with replacing(job.meeting / f"error_{local_rank:04d}") as aside:
                aside.write_bytes(pickle.dumps(error))
            sys.exit(1)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies: the folder is another's then."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it has died already
        sys.exit(1)

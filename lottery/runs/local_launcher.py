"""Several runs of a sweep at once on this machine, each in a worker process.

A worker that dies, of too little memory for example, costs the run that it was doing. A new
worker takes its place.
"""

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

import cloudpickle  # type: ignore[import-untyped]
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from lottery.runs.sweep import Sweep
from lottery.signals import handling

log = logging.getLogger(__name__)

_context = multiprocessing.get_context("spawn")  # a fork would share our threads and our CUDA


@dataclass(frozen=True)
class Job:
    """A job of a sweep.

    Args:
        number: in the sweep.
        overrides: of the job.
        do: does it, in a worker.
    """

    number: int
    overrides: Sequence[str]
    do: Callable[[], JobReturn]


@dataclass(frozen=True)
class Worker:
    """A process that does one job after the other, and our end of the pipe to it."""

    process: BaseProcess
    pipe: Connection


def launch(
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
    num_workers: int,
    hydra_context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
) -> list[JobReturn]:
    """Do the jobs of a sweep, some at once.

    Args:
        job_overrides: overrides of each job.
        first_number: number of the first job in the sweep.
        num_workers: jobs at once; -1 for as many as there are CPUs.
        hydra_context: of the sweep.
        task_function: does a job.
        config: the sweep's, composed, with Hydra's part.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    sweep = Sweep(Path(str(config.hydra.sweep.dir)).absolute())
    sweep.path.mkdir(parents=True, exist_ok=True)
    at_once = num_workers if num_workers > 0 else len(os.sched_getaffinity(0))
    log.info("%d jobs, %d at once; the sweep is in %s", len(job_overrides), at_once, sweep.path)
    state = Singleton.get_state()
    jobs = [
        Job(
            number=number,
            overrides=list(overrides),
            do=partial(
                _do_job,
                number=number,
                overrides=list(overrides),
                hydra_context=hydra_context,
                task_function=task_function,
                config=config,
                singletons=state,
            ),
        )
        for number, overrides in enumerate(job_overrides, first_number)
    ]
    for job in jobs:
        log.info("\t#%d : %s", job.number, " ".join(job.overrides))
    devices = config.trainer.devices
    return WorkerPool(
        sweep=sweep,
        num_workers=at_once,
        num_gpus=0 if config.trainer.accelerator == "cpu" else _count_gpus(),
        # a wrong value of trainer.devices is named by the jobs themselves
        gpus_per_run=devices if isinstance(devices, int) and devices > 0 else 1,
    ).run(jobs)


def _do_job(
    *,
    number: int,
    overrides: list[str],
    hydra_context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    singletons: dict[Any, Any],
) -> JobReturn:
    """Do a job in a worker, as Hydra's own launchers do it."""
    setup_globals()
    Singleton.set_state(singletons)
    job_config = hydra_context.config_loader.load_sweep_config(config, overrides)
    with open_dict(job_config):
        job_config.hydra.job.id = f"{job_config.hydra.job.name}_{number}"
        job_config.hydra.job.num = number
    HydraConfig.instance().set_config(job_config)
    return run_job(
        hydra_context=hydra_context,
        task_function=task_function,
        config=job_config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


class WorkerPool:
    """Worker processes that do the jobs of a sweep.

    Args:
        sweep: gets a note on each job whose process died.
        num_workers: how many there are.
        num_gpus: GPUs of this machine.
        gpus_per_run: GPUs that each run uses.
    """

    def __init__(
        self, *, sweep: Sweep, num_workers: int, num_gpus: int, gpus_per_run: int
    ) -> None:
        self.sweep = sweep
        self.num_gpus = num_gpus
        self.gpus_per_run = gpus_per_run
        self._workers: dict[int, Worker] = {}
        self._free = list(range(num_workers))
        self._stopped = False

    def run(self, jobs: Sequence[Job]) -> list[JobReturn]:
        """Do the jobs. When this process is told to end, the workers save their runs and end."""
        with ThreadPoolExecutor(len(self._free)) as threads:  # each waits for one worker
            try:
                with handling(_exit):
                    return list(threads.map(self._do, jobs))
            except BaseException:
                self._stopped = True
                for worker in self._workers.values():
                    worker.process.terminate()
                raise
            finally:
                for worker in self._workers.values():
                    if not self._stopped:
                        worker.pipe.close()
                    worker.process.join()

    def _do(self, job: Job) -> JobReturn:
        """Do one job in a worker that is free."""
        failed = JobReturn(status=JobStatus.COMPLETED, _return_value=float("nan"))
        if self._stopped:
            return failed
        slot = self._free.pop()
        worker = self._workers.get(slot)
        if worker is None or not worker.process.is_alive():
            worker = self._workers[slot] = _start(self.environment(slot))
        try:
            worker.pipe.send_bytes(cloudpickle.dumps(job.do))
            result: JobReturn = pickle.loads(worker.pipe.recv_bytes())
        except (EOFError, OSError):  # the process has ended
            worker.process.join()
            if not self._stopped:
                reason = _describe_end(worker.process.exitcode)
                self.sweep.note_death(job.number, job.overrides, reason)
            return failed
        else:
            return result
        finally:
            self._free.append(slot)

    def environment(self, slot: int) -> dict[str, str]:
        """Return the environment of a worker: one thread, and its share of the GPUs.

        The GPUs are those that the user or SLURM has chosen; workers take them in turn.
        """
        given = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = given.split(",") if given else [str(number) for number in range(self.num_gpus)]
        first = slot * self.gpus_per_run
        mine = [names[(first + k) % len(names)] for k in range(self.gpus_per_run) if names]
        visible = {"CUDA_VISIBLE_DEVICES": ",".join(mine)} if mine else {}
        return {"OMP_NUM_THREADS": "1", **visible}


def _start(environment: dict[str, str]) -> Worker:
    ours, theirs = _context.Pipe()
    process = _context.Process(target=_work, args=(theirs, environment))
    process.start()
    theirs.close()  # so that we see the end of the process
    return Worker(process, ours)


def _work(pipe: Connection, environment: dict[str, str]) -> None:
    """Do one job after the other, in an environment that PyTorch finds when it is imported."""
    os.environ |= environment
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; our starter tells us
    threading.Thread(target=_end_with_starter, daemon=True).start()
    while True:
        try:
            do = pickle.loads(pipe.recv_bytes())
        except EOFError:  # no more jobs
            return
        pipe.send_bytes(cloudpickle.dumps(do()))


def _end_with_starter() -> None:
    """Tell the run in this process to save and end when the sweep's own process was killed."""
    starter = multiprocessing.parent_process()
    assert starter is not None
    wait([starter.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _exit(signum: int, _: object) -> NoReturn:
    sys.exit(128 + signum)


def _describe_end(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _count_gpus() -> int:
    import torch

    return torch.cuda.device_count()

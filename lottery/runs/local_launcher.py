"""Several runs of a sweep at once on this machine, each in a worker process.

A worker that dies, of too little memory for example, costs the run that it was doing. A new
worker takes its place.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NoReturn

import cloudpickle  # type: ignore[import-untyped]
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from lottery.progress import LINES
from lottery.runs.sweep import DEAD_JOB, Sweep
from lottery.runs.workers import SAFE_PATH, safe_path
from lottery.signals import handling

DoJob = Callable[[Sequence[str], int], JobReturn]  # of its overrides and its number

_context = multiprocessing.get_context("spawn")  # a fork would share our threads and our CUDA


@dataclass(frozen=True)
class Worker:
    """A process that does one job after the other, and our end of the pipe to it."""

    process: BaseProcess
    pipe: Connection


def make_pool(config: DictConfig, num_workers: int) -> "WorkerPool":
    """Return the workers for a sweep; -1 for as many as there are CPUs."""
    devices = config.trainer.devices
    return WorkerPool(
        sweep=Sweep.of(config.hydra),
        num_workers=num_workers if num_workers > 0 else len(os.sched_getaffinity(0)),
        num_gpus=0 if config.trainer.accelerator == "cpu" else _count_gpus(),
        # a wrong value of trainer.devices is named by the jobs themselves
        gpus_per_run=devices if isinstance(devices, int) and devices > 0 else 1,
    )


@dataclass
class WorkerPool:
    """Worker processes that do the jobs of a sweep, which gets a note on each that died."""

    sweep: Sweep
    num_workers: int
    num_gpus: int
    gpus_per_run: int

    def __post_init__(self) -> None:
        self._workers: dict[int, Worker] = {}
        self._free = list(range(self.num_workers))
        self._stopped = False

    def run(
        self, do_job: DoJob, job_overrides: Sequence[Sequence[str]], first_number: int
    ) -> list[JobReturn]:
        """Do the jobs. When this process is told to end, the workers save their runs and end."""
        jobs = list(enumerate(map(list, job_overrides), first_number))
        state = Singleton.get_state()  # Hydra's, such as its plugins
        calls = [cloudpickle.dumps((state, do_job, overrides, n)) for n, overrides in jobs]
        with ThreadPoolExecutor(self.num_workers) as threads:  # each waits for one worker
            try:
                with handling(_exit), safe_path():
                    return list(threads.map(self._do, jobs, calls))
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

    def _do(self, job: tuple[int, list[str]], call: bytes) -> JobReturn:
        """Do one job in a worker that is free."""
        if self._stopped:
            return DEAD_JOB
        slot = self._free.pop()
        worker = self._workers.get(slot)
        if worker is None or not worker.process.is_alive():
            worker = self._workers[slot] = _start(self.environment(slot))
        try:
            worker.pipe.send_bytes(call)
            result: JobReturn = pickle.loads(worker.pipe.recv_bytes())
        except (EOFError, OSError):  # the process has ended
            worker.process.join()
            if not self._stopped:
                self.sweep.note_death(*job, _describe_end(worker.process.exitcode))
            return DEAD_JOB
        else:
            return result
        finally:
            self._free.append(slot)

    def environment(self, slot: int) -> dict[str, str]:
        """Return the environment of a worker: one thread, lines, and its share of the GPUs.

        The GPUs are those that the user or SLURM has chosen; workers take them in turn.
        """
        given = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = given.split(",") if given else [str(number) for number in range(self.num_gpus)]
        first = slot * self.gpus_per_run
        mine = [names[(first + k) % len(names)] for k in range(self.gpus_per_run) if names]
        visible = {"CUDA_VISIBLE_DEVICES": ",".join(mine)} if mine else {}
        return {"OMP_NUM_THREADS": "1", **LINES, **visible}


def _start(environment: dict[str, str]) -> Worker:
    ours, theirs = _context.Pipe()
    process = _context.Process(target=_work, args=(theirs, environment))
    process.start()
    theirs.close()  # so that we see the end of the process
    return Worker(process, ours)


def _work(pipe: Connection, environment: dict[str, str]) -> None:
    """Do one job after the other, in an environment that PyTorch finds when it is imported."""
    os.environ |= environment
    os.environ.pop(SAFE_PATH)  # it was for our own start
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; our starter tells us
    threading.Thread(target=_end_with_starter, daemon=True).start()
    while True:
        try:
            state, do_job, overrides, number = pickle.loads(pipe.recv_bytes())
        except EOFError:  # no more jobs
            return
        Singleton.set_state(state)
        pipe.send_bytes(cloudpickle.dumps(do_job(overrides, number)))


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

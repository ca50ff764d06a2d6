"""Several runs of a sweep at once on this machine: what stands in for joblib's `Parallel`.

joblib gives up a whole sweep when one of its processes dies, of too little memory say. Here a dead
process costs the run it was doing; another one takes its place.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

import cloudpickle  # type: ignore[import-untyped]
from hydra.core.utils import JobReturn, JobStatus

from lottery.runs.launchers import note_death
from lottery.runs.sweep import Sweep
from lottery.signals import handling

Call = tuple[Callable[..., JobReturn], tuple[Any, ...], dict[str, Any]]

_context = multiprocessing.get_context("spawn")  # a fork would share our threads and our CUDA


@dataclass(frozen=True)
class Worker:
    """A process that does one job after the other, and our end of the pipe to it."""

    process: BaseProcess
    pipe: Connection


class Workers:
    """Called with a sweep's jobs as joblib's `Parallel` is; returns what they return.

    Args:
        sweep: for notes on jobs whose process died.
        num_gpus: how many there are.
        gpus_per_run: how many each run uses.
        n_jobs: runs at once; -1 for one per CPU.
    """

    def __init__(
        self, sweep: Sweep, num_gpus: int, gpus_per_run: int, n_jobs: int, **_: Any
    ) -> None:
        self.sweep = sweep
        self.num_gpus = num_gpus
        self.gpus_per_run = gpus_per_run
        self.n_jobs = n_jobs if n_jobs > 0 else len(os.sched_getaffinity(0))
        self._workers: dict[int, Worker] = {}
        self._free = list(range(self.n_jobs))
        self._stopped = False

    def __call__(self, calls: Iterable[Call]) -> list[JobReturn]:
        """Do the jobs, `n_jobs` at once; when this process is told to end, they save and leave."""
        with ThreadPoolExecutor(self.n_jobs) as threads:  # one waits for each process
            try:
                with handling(_exit):
                    return list(threads.map(self._do, calls))
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

    def _do(self, call: Call) -> JobReturn:
        """Do one job in a process that is free."""
        failed = JobReturn(status=JobStatus.COMPLETED, _return_value=float("nan"))
        if self._stopped:
            return failed
        slot = self._free.pop()
        worker = self._workers.get(slot)
        if worker is None or not worker.process.is_alive():
            worker = self._workers[slot] = _start(self.environment(slot))
        try:
            worker.pipe.send_bytes(cloudpickle.dumps(call))
            result: JobReturn = pickle.loads(worker.pipe.recv_bytes())
        except (EOFError, OSError):  # the process has ended
            worker.process.join()
            number, overrides = call[1][:2]
            if not self._stopped:
                note_death(self.sweep, number, overrides, _reason(worker.process.exitcode))
            return failed
        else:
            return result
        finally:
            self._free.append(slot)

    def environment(self, slot: int) -> dict[str, str]:
        """One thread each; GPUs dealt out in turn, of those that the user or SLURM has chosen."""
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
    threading.Thread(target=_leave_with_starter, daemon=True).start()
    while True:
        try:
            function, args, kwargs = pickle.loads(pipe.recv_bytes())
        except EOFError:  # no more jobs
            return
        pipe.send_bytes(cloudpickle.dumps(function(*args, **kwargs)))


def _leave_with_starter() -> None:
    """When the sweep was killed: a run saves and leaves, which nobody else would tell it."""
    starter = multiprocessing.parent_process()
    assert starter is not None
    wait([starter.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _exit(signum: int, _: object) -> NoReturn:
    sys.exit(128 + signum)


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"

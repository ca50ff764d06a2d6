"""Runs of a sweep that differ in seeds, masks and starts only, in one process, trained as one.

Each run is a thread that does what it does alone, with its own folder, lock, checks and record.
The threads take turns, and meet before each block of steps (lottery/training/stacked).
"""

import logging
import os
import warnings
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn

from lottery.config.meeting import MAY_DIFFER
from lottery.errors import ConfigError
from lottery.generators import read_generators, write_generators
from lottery.runs.sweep import DEAD_JOB
from lottery.signals import Stopped, StopRequest, of_main_thread
from lottery.training.stacked import Meeting, current_meeting
from lottery.turns import Turns

log = logging.getLogger(__name__)

DoJob = Callable[[Sequence[str], int], JobReturn]  # of its overrides and its number
Job = tuple[int, Sequence[str]]  # its number and its overrides


def groups_of(jobs: Sequence[Job], most: int) -> list[list[Job]]:
    """Return jobs in groups of at most `most` that are equal in all but `MAY_DIFFER`.

    Example:
        >>> jobs = [(0, ["seed=0", "optimizer.lr=1"]), (1, ["seed=0", "optimizer.lr=2"])]
        >>> jobs.append((2, ["seed=1", "optimizer.lr=1"]))
        >>> [[number for number, _ in group] for group in groups_of(jobs, 10)]
        [[0, 2], [1]]
    """
    equal: dict[frozenset[str], list[Job]] = {}
    for number, overrides in jobs:
        fixed = frozenset(text for text in overrides if _name(text) not in MAY_DIFFER)
        equal.setdefault(fixed, []).append((number, overrides))
    return [
        group[first : first + most]
        for group in equal.values()
        for first in range(0, len(group), most)
    ]


def _name(override: str) -> str:
    """Return the first part of an override's key: `reinit` of `+reinit.draw=1`."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0].partition(".")[0]


def launch(
    do_job: DoJob, job_overrides: Sequence[Sequence[str]], first_number: int, *, most: int
) -> list[JobReturn]:
    """Do the jobs of a sweep, group after group; return what they return, by number."""
    if most < 1:
        raise ConfigError(f"hydra.launcher.n_jobs={most}: a whole number above 0")
    jobs: list[Job] = list(enumerate(job_overrides, first_number))
    done: dict[int, JobReturn] = {}
    for group in groups_of(jobs, most):
        numbers, differ = ", ".join(str(number) for number, _ in group), "seeds, masks and starts"
        if len(group) == 1:
            log.info("job %s: alone; no other differs from it in %s only", numbers, differ)
            ((number, overrides),) = group
            done[number] = do_job(overrides, number)
        else:
            log.info("jobs %s: as one; they differ in %s only", numbers, differ)
            done |= Group(do_job, group).run()
    return [done[number] for number, _ in jobs]


@dataclass(frozen=True)
class Globals:
    """What is one for the whole process, and each run sets for itself."""

    generators: dict[str, torch.Tensor]
    on_gpus: list[torch.Tensor]  # the states of their generators
    dtype: torch.dtype
    warning_filters: Any
    handlers: list[logging.Handler]
    hydra: Any
    folder: Path  # of the process, with hydra.job.chdir

    @classmethod
    def read(cls) -> "Globals":
        """Return how it is now."""
        return cls(
            generators=read_generators(),
            on_gpus=_read_gpus(),
            dtype=torch.get_default_dtype(),
            warning_filters=warnings.filters,
            handlers=list(logging.getLogger().handlers),
            hydra=HydraConfig.instance().cfg,
            folder=Path.cwd(),
        )

    def write(self) -> None:
        """Put it back."""
        write_generators(self.generators)
        for number, state in enumerate(self.on_gpus):
            torch.cuda.set_rng_state(state, number)
        torch.set_default_dtype(self.dtype)
        warnings.filters = self.warning_filters
        logging.getLogger().handlers[:] = self.handlers
        HydraConfig.instance().cfg = self.hydra
        os.chdir(self.folder)


def _read_gpus() -> list[torch.Tensor]:
    """Return the states of the generators of all GPUs; a run on the CPU does not start CUDA."""
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.cuda.get_rng_state_all() if started else []


class Group:
    """Jobs that are done at once, each in a thread."""

    def __init__(self, do_job: DoJob, jobs: Sequence[Job]) -> None:
        self._do_job, self._jobs = do_job, jobs
        self._stop = StopRequest()
        self._handlers: set[logging.Handler] = set()  # of log lines, of all jobs
        self._turns = Turns(len(jobs), read=self._read, write=Globals.write)
        self._meeting = Meeting(self._turns, len(jobs), self._stop)
        self._returned: dict[int, JobReturn] = {}
        self._ends: list[BaseException] = []  # of threads that are to end the sweep

    def run(self) -> dict[int, JobReturn]:
        """Do the jobs; return what they return, by number. A signal stops all of them."""
        before = Globals.read()
        # a second Ctrl-C ends this thread at once, and the others with it
        threads = [
            Thread(target=copy_context().run, args=(self._do, seat), daemon=True)
            for seat in range(len(self._jobs))
        ]
        try:
            with self._stop.listening():
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        finally:
            before.write()
            for handler in self._handlers.difference(before.handlers):
                handler.close()  # Hydra closes those of the last job only
        if self._ends:
            raise self._ends[0]
        if self._stop.signum:  # when no run was training
            raise Stopped(self._stop.signum, "between two runs")
        return self._returned

    def _read(self) -> Globals:
        now = Globals.read()
        self._handlers.update(now.handlers)
        return now

    def _do(self, seat: int) -> None:
        """Do a job in this thread."""
        number, overrides = self._jobs[seat]
        of_main_thread.set(self._stop)
        current_meeting.set(self._meeting)
        try:
            with self._turns.seat(seat):
                stops = bool(self._stop.signum)
                self._returned[number] = DEAD_JOB if stops else self._do_job(overrides, number)
        except BaseException as error:  # noqa: BLE001  # raised in the main thread
            self._ends.append(error)

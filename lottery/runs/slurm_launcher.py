"""A sweep's jobs on SLURM: every one is waited for, and what became of it is known.

By itself submitit asks `sacct`, without which it waits for a dead job for ever; and its launcher
raises at the first dead job and leaves the rest of the sweep alone.
"""

import logging
import os
import sys
from functools import partialmethod
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from submitit import SlurmJob
from submitit.core.utils import FailedJobError, UncompletedJobError
from submitit.slurm.slurm import SlurmInfoWatcher

from lottery.runs.launchers import note_death
from lottery.runs.sweep import Sweep

log = logging.getLogger(__name__)

POLL_SECONDS = 30  # at most, between looks at the queue; less in the first minute
LATE_FILE_SECONDS = 3  # a shared file system may show a job's result after its end
ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
    *("OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"),
)

_results = SlurmJob.results


def wait_for_all(sweep: Sweep) -> None:
    """Have submitit's launcher wait for every job of a sweep, and note the ones that died."""
    SlurmJob.watcher = Queue(delay_s=POLL_SECONDS)
    SlurmJob._results_timeout_s = LATE_FILE_SECONDS
    SlurmJob.results = partialmethod(_outcome, sweep)  # type: ignore[assignment,method-assign]


class Queue(SlurmInfoWatcher):
    """The states of our jobs, from `squeue`, which there is wherever there is SLURM."""

    def _make_command(self) -> list[str] | None:
        if not self._registered - self._finished:
            return None
        columns = ["--noheader", "--array", "--states=all", "--format=%i|%T"]
        return ["squeue", f"--user={os.getuid()}", *columns]

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        """The state of every job we wait for; one that is not listed has ended a while ago."""
        text = string.decode() if isinstance(string, bytes) else string
        listed = dict(line.split("|") for line in text.splitlines())
        states = {job: listed.get(job, "COMPLETED") for job in self._registered}
        return {
            job: {"State": state if state in ENDED else "RUNNING"} for job, state in states.items()
        }


def _outcome(job: "SlurmJob[Any]", sweep: Sweep) -> list[Any]:
    """In the place of `SlurmJob.results`: a dead job has an accuracy that is no number."""
    try:
        return _results(job)
    except (UncompletedJobError, FailedJobError):
        overrides, _, number, *_ = job.submission().args
        note_death(sweep, number, overrides, _reason(job))
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=float("nan"))]
    except KeyboardInterrupt:
        number = job.job_id.partition("_")[0]
        log.warning("the jobs go on: squeue -j %s shows, scancel %s ends them", number, number)
        sys.exit(130)


def _reason(job: "SlurmJob[Any]") -> str:
    state = job.watcher.get_state(job.job_id, mode="cache")
    if not job.paths.stdout.exists():
        return f"SLURM says {state}; it never began"
    return f"SLURM says {state}; its log is {job.paths.stdout}"

"""A sweep's jobs on SLURM: every one is waited for, and what became of it is known.

By itself submitit asks `sacct`; where that is missing, it waits for a dead job for ever. Its
launcher raises at the first dead job and leaves the other jobs of the sweep alone.
"""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from omegaconf import OmegaConf
from submitit import AutoExecutor, SlurmJob
from submitit.core.utils import FailedJobError, UncompletedJobError
from submitit.slurm.slurm import SlurmInfoWatcher

from lottery.runs.sweep import DEAD_JOB, Sweep
from lottery.runs.workers import safe_path

log = logging.getLogger(__name__)

POLL_SECONDS = 30  # at most, between looks at the queue; less in the first minute
LATE_FILE_SECONDS = 3  # a shared file system may show a job's result after the job's end
KILLED = {"CANCELLED", "DEADLINE", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}
ENDED = {"BOOT_FAIL", "COMPLETED", "FAILED", "NODE_FAIL"} | KILLED


class Queue(SlurmInfoWatcher):
    """The states of our jobs, from `squeue`, which every SLURM has."""

    def _make_command(self) -> list[str] | None:
        if not self._registered - self._finished:
            return None
        columns = ["--noheader", "--array", "--states=all", "--format=%i|%T"]
        return ["squeue", f"--user={os.getuid()}", *columns]

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        """Return the state of every job that we wait for; one that is not listed has ended."""
        text = string.decode() if isinstance(string, bytes) else string
        listed = dict(line.split("|") for line in text.splitlines())
        states = {job: listed.get(job, "COMPLETED") for job in self._registered}
        return {
            job: {"State": state if state in ENDED else "RUNNING"} for job, state in states.items()
        }


class QueuedJob(SlurmJob[Any]):
    """A job whose state the queue tells."""

    watcher = Queue(delay_s=POLL_SECONDS)
    _results_timeout_s = LATE_FILE_SECONDS


def launch(
    launcher: SlurmLauncher, job_overrides: Sequence[Sequence[str]], first_number: int
) -> list[JobReturn]:
    """Submit the jobs of a sweep as an array, and return what each returned; NaN if it died.

    On the cluster the launcher itself is called to do a job.
    """
    assert launcher.config is not None
    sweep = Sweep.of(launcher.config.hydra)
    sweep.path.mkdir(parents=True, exist_ok=True)
    log.info("%d jobs for SLURM; the sweep is in %s", len(job_overrides), sweep.path)
    jobs = list(enumerate(map(list, job_overrides), first_number))
    for number, overrides in jobs:
        log.info("\t#%d : %s", number, " ".join(overrides))
    state = Singleton.get_state()
    executor = _make_executor(launcher.params)
    calls = [
        (overrides, "hydra.sweep.dir", number, f"job_id_for_{number}", state)
        for number, overrides in jobs
    ]
    with safe_path():
        submitted = executor.map_array(launcher, *zip(*calls, strict=True))
    queued = [
        QueuedJob(folder=executor.folder, job_id=job.job_id, tasks=range(job.num_tasks))
        for job in submitted
    ]
    return [_wait_for(job, sweep, *entry) for job, entry in zip(queued, jobs, strict=True)]


def _make_executor(params: dict[str, Any]) -> AutoExecutor:
    """Return submitit's executor; it takes SLURM's own options with a prefix."""
    shared = OmegaConf.structured(BaseQueueConf).keys()
    executor = AutoExecutor(
        folder=params["submitit_folder"],
        cluster="slurm",
        slurm_max_num_timeout=params["max_num_timeout"],
    )
    executor.update_parameters(
        **{
            name if name in shared else f"slurm_{name}": value
            for name, value in params.items()
            if name not in ("submitit_folder", "max_num_timeout")
        }
    )
    return executor


def _wait_for(job: QueuedJob, sweep: Sweep, number: int, overrides: list[str]) -> JobReturn:
    try:
        result: JobReturn = job.results()[0]
    except (UncompletedJobError, FailedJobError):
        sweep.note_death(number, overrides, _describe_end(job))
        return DEAD_JOB
    except KeyboardInterrupt:
        array = job.job_id.partition("_")[0]
        log.warning("the jobs go on: squeue -j %s shows, scancel %s ends them", array, array)
        sys.exit(130)
    return result


def _describe_end(job: QueuedJob) -> str:
    state, output = job.watcher.get_state(job.job_id, mode="cache"), job.paths.stdout
    where = f"its log is {output}" if output.exists() else "it never began"
    return f"SLURM says {state}; {where}"

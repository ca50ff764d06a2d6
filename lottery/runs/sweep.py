"""A sweep's own folder: a status file per job, and the table made from them."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.utils import JobReturn, JobStatus

from lottery.record.files import DamagedFile, to_csv, write_json, write_text
from lottery.record.schema import SweepJob
from lottery.record.score import ACCURACY, score_of
from lottery.record.text_table import format_percent, text_table
from lottery.record.typed import read_typed

COLUMNS = ("job", "overrides", "status", "round", "remaining", "ES", "val", "test")
# What a launcher returns for a job that died. Hydra ends a sweep at a job that is not completed.
DEAD_JOB = JobReturn(status=JobStatus.COMPLETED, _return_value=float("nan"))
SCORES = ("val", "test")


@dataclass(frozen=True)
class Sweep:
    """A sweep, `outputs/sweeps/<time>-<id>/`."""

    path: Path

    @classmethod
    def of(cls, hydra_config: HydraConf) -> "Sweep":
        """Return the sweep that Hydra's part of a config describes."""
        return cls(Path(hydra_config.runtime.cwd, str(hydra_config.sweep.dir)))

    def note(self, job: SweepJob) -> None:
        """Write a job's status."""
        write_json(self.path / "jobs" / f"{job['job']}.json", job)

    def note_death(self, number: int, overrides: Sequence[str], reason: str) -> None:
        """Note that a job's process is gone, unless the job itself has noted how it ended."""
        job = {job["job"]: job for job in self.jobs()}.get(number)
        if job is None:
            self.note(_unknown_job(number, "died", reason, overrides))
        elif job["status"] in ("running", "interrupted"):
            status = "died" if job["status"] == "running" else job["status"]
            self.note({**job, "status": status, "message": reason})

    def jobs(self) -> list[SweepJob]:
        """Return the jobs' statuses, by number."""
        jobs = [_read_job(path) for path in self.path.glob("jobs/*.json")]
        return sorted(jobs, key=lambda job: int(job["job"]))

    def all_finished(self) -> bool:
        """Return whether all jobs have finished."""
        return all(job["status"] == "finished" for job in self.jobs())

    def discard(self) -> None:
        """Remove what Hydra writes before it checks the jobs; for a sweep without jobs."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):  # not empty: other sweeps, runs
            self.path.parent.rmdir()
            self.path.parent.parent.rmdir()

    def summary(self, report: Path | None = None) -> str:
        """Write jobs.csv; return the same table as text, then the report, then the sweep."""
        jobs = self.jobs()
        columns = (*COLUMNS, "run", "message")
        write_text(self.path / "jobs.csv", to_csv(columns, [_values(job) for job in jobs]))
        header = _header(jobs)
        failed = [
            f"job {job['job']} {job['status']}: {job['message']}".removesuffix(": ")
            for job in jobs
            if job["status"] != "finished"
        ]
        lines = [text_table(header, [_cells(job) for job in jobs]), *failed]
        return "\n".join([*lines, *([str(report)] if report else []), str(self.path)])


def _header(jobs: Sequence[SweepJob]) -> list[str]:
    """Return the columns with their units; scores of several units have none."""
    units = {score_of(job).unit for job in jobs if job["row"]} or {ACCURACY.unit}
    unit = units.pop() if len(units) == 1 else ""
    of_column = {"remaining": "%", **dict.fromkeys(SCORES, unit)}
    return [f"{name} {of_column.get(name, '')}".rstrip() for name in COLUMNS]


def _read_job(path: Path) -> SweepJob:
    """Return a job's status; a damaged file is named in the table, and hides no other job."""
    try:
        return read_typed(path, SweepJob, "")
    except DamagedFile as error:
        return _unknown_job(int(path.stem), "unknown", str(error))


def _unknown_job(
    number: int, status: str, message: str, overrides: Sequence[str] = ()
) -> SweepJob:
    return {
        "job": number,
        "overrides": list(overrides),
        "run": "",
        "status": status,
        "message": message,
        "row": None,
    }


def _values(job: SweepJob) -> dict[str, Any]:
    return {**(job["row"] or {}), **job, "overrides": " ".join(job["overrides"])}


def _cells(job: SweepJob) -> list[str]:
    values, score = _values(job), score_of(job)
    shown = {name: score.format(values.get(name)) for name in SCORES}
    shown["remaining"] = format_percent(values.get("remaining"))
    cells = [shown.get(name, values.get(name)) for name in COLUMNS]
    return ["-" if cell is None else str(cell) for cell in cells]

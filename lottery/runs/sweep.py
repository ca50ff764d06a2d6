"""A sweep's own folder: a status file per job, and the table made from them."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lottery.record.files import read_json, write_json, write_text
from lottery.record.schema import Row, SweepJob
from lottery.record.text_table import format_percent


@dataclass(frozen=True)
class Sweep:
    """A sweep, `outputs/sweeps/<time>-<id>/`."""

    path: Path

    def note(
        self,
        number: int,
        overrides: Sequence[str],
        run: Path,
        status: str,
        message: str,
        row: Row | None = None,
    ) -> None:
        """Write a job's status.

        Args:
            number: the job's, in the sweep.
            overrides: of the job.
            run: folder of its run.
            status: running, finished, failed or interrupted.
            message: why it failed.
            row: of the last round the job asked for; its folder may hold more.
        """
        entry: SweepJob = {
            "job": number,
            "overrides": list(overrides),
            "run": str(run),
            "status": status,
            "message": message,
            "row": row,
        }
        write_json(self.path / "jobs" / f"{number}.json", entry)

    def jobs(self) -> list[SweepJob]:
        """The jobs' statuses, by number."""
        entries = [_read_job(path) for path in self.path.glob("jobs/*.json")]
        return sorted(entries, key=lambda entry: int(entry["job"]))

    def all_finished(self) -> bool:
        """Whether all jobs have finished."""
        return all(job["status"] == "finished" for job in self.jobs())

    def discard(self) -> None:
        """Remove what Hydra writes before it has checked the jobs, where there were none."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):  # not empty: others' sweeps, runs
            self.path.parent.rmdir()
            self.path.parent.parent.rmdir()

    def summary(self, report: Path | None = None) -> str:
        """The jobs with their last round, as text and in jobs.csv; the last line is the folder.

        Args:
            report: of all of them, where there is one.
        """
        jobs = self.jobs()
        import pandas as pd  # half a second, which --help need not wait for

        table = pd.DataFrame([_line(job) for job in jobs]).astype(
            {"round": "Int64", "ES": "Int64"}
        )
        write_text(self.path / "jobs.csv", table.to_csv(index=False, lineterminator="\n"))
        shown = table.drop(columns=["run", "message"])
        for name in ("remaining", "val", "test"):
            shown[f"{name} %"] = [format_percent(share) for share in shown.pop(name)]
        text = shown.to_string(index=False, na_rep="-")
        failed = [
            f"job {job['job']} {job['status']}: {job['message']}".removesuffix(": ")
            for job in jobs
            if job["status"] != "finished"
        ]
        shown_report = [str(report)] if report else []
        return "\n".join([text, *failed, *shown_report, str(self.path)])


def _read_job(path: Path) -> SweepJob:
    """A job's status; a damaged file is said so in the table, and hides no other job."""
    try:
        entry: SweepJob = read_json(path)
        if entry.keys() >= SweepJob.__required_keys__:
            return entry
    except (ValueError, AttributeError):
        pass
    return {
        "job": int(path.stem),
        "overrides": [],
        "run": "",
        "status": "unknown",
        "message": f"{path}: damaged",
        "row": None,
    }


def _line(job: SweepJob) -> dict[str, Any]:
    last: Mapping[str, Any] = job["row"] or {}
    return {
        "job": job["job"],
        "overrides": " ".join(job["overrides"]),
        "status": job["status"],
        **{name: last.get(name) for name in ("round", "remaining", "ES", "val", "test")},
        "run": job["run"],
        "message": job["message"],
    }

"""Find runs in folders and read their records."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lottery.errors import NoRun
from lottery.record.files import DamagedFile, read_json
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir, runs_below
from lottery.record.schema import Record, Row
from lottery.report.read.stability_files import StabilityTables, read_stability

# How the report words a status of run.json; a killed run stays "running".
STATUSES = {"running": "still running, or killed"}


@dataclass(frozen=True)
class RunRecord:
    """A run: the content of run.json and the records of its finished rounds."""

    path: Path
    name: str  # name of the setting's folder
    seed: int
    config: dict[str, Any]
    status: str
    message: str
    asked: tuple[int, ...]  # rounds that the last command asked for
    records: tuple[Record, ...]
    stability: StabilityTables | None = None

    @property
    def rows(self) -> list[Row]:
        """One row per finished round, with the columns of results.csv."""
        return [record["row"] for record in self.records]

    @property
    def state(self) -> str:
        """The status in words, with the number of finished rounds unless all are."""
        if self.status == "finished":
            return "finished"
        done = len({row["round"] for row in self.rows} & set(self.asked))
        status = STATUSES.get(self.status, self.status)
        rounds = f"{done} of {len(self.asked)} rounds are finished"
        return f"{status}; {rounds}" + (f": {self.message}" if self.message else "")

    def values(self, column: str) -> dict[int, float]:
        """Return a column of results.csv or timing.csv by round, without its empty cells."""
        found = {}
        for record in self.records:
            value: Any = record["row"].get(column, record["timing"].get(column))
            if value is not None and value == value:  # NaN is not
                found[int(record["row"]["round"])] = value
        return found


def find_runs(folders: Sequence[str | Path]) -> list[Path]:
    """Return the runs in or below some folders; a sweep's folder stands for the runs of its jobs.

    Raises:
        NoRun: a folder does not exist, or holds no run.
    """
    found: dict[Path, None] = {}  # in order, each run once
    for folder in folders:
        runs = runs_below(Path(folder)) or _runs_of_sweep(Path(folder))
        if not runs:
            missing = "" if Path(folder).is_dir() else "no such folder; "
            raise NoRun(f"{folder}: {missing}not a run and holds none (no run.json)")
        found |= dict.fromkeys(run.absolute() for run in runs)
    return list(found)


def _runs_of_sweep(folder: Path) -> list[Path]:
    jobs = sorted(folder.glob("jobs/*.json"), key=lambda path: (len(path.stem), path.stem))
    runs = []
    for job in jobs:
        try:
            run = Path(read_json(job)["run"])
        except (DamagedFile, KeyError, TypeError):
            continue  # the sweep's own table reports a damaged file
        if (run / "run.json").exists():
            runs.append(run)
    return runs


def read_run(path: Path) -> RunRecord:
    """Read a run, finished or not.

    Raises:
        DamagedFile: run.json or a record is not what was written.
    """
    return record_of(OpenedRun(RunDir(path)))


def record_of(run: OpenedRun) -> RunRecord:
    """Return what the report needs to know of a run.

    Raises:
        DamagedFile: run.json or a record is not what was written.
    """
    entry = run.run_json
    return RunRecord(
        path=run.path,
        name=str(entry.get("name", run.path.parent.name)),
        seed=entry["seed"],
        config=entry["config"],
        status=entry["status"],
        message=str(entry.get("message", "")),
        asked=tuple(entry.get("rounds", ())),
        records=tuple(run.records),
        stability=read_stability(run.folder.stability),
    )


def read_runs(paths: Sequence[Path]) -> tuple[list[RunRecord], list[str]]:
    """Return the runs that can be read, and one line for each that cannot."""
    runs, problems = [], []
    for path in paths:
        try:
            runs.append(read_run(path))
        except DamagedFile as error:
            problems.append(f"left out: {error}")
    return runs, problems

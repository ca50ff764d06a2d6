"""Find and read the runs of a report."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict, TypeVar

from lottery.errors import NoRun
from lottery.record.files import DamagedFile, damaged
from lottery.record.opened_run import OpenedRun, suggest_run
from lottery.record.run_dir import RunDir, runs_below
from lottery.record.typed import read_typed
from lottery.report.read.checks import check_run

Source = TypeVar("Source")
Found = TypeVar("Found")


def find_runs(folders: Sequence[str | Path]) -> tuple[list[Path], list[str]]:
    """Return the runs in or below some folders, and one line for each damaged job of a sweep.

    A sweep's folder stands for the runs of its jobs.

    Raises:
        NoRun: a folder does not exist, or holds no run.
    """
    found: dict[Path, None] = {}  # in order, each run once
    problems: list[str] = []
    for folder in map(Path, folders):
        runs = runs_below(folder)
        if not runs:
            runs, of_jobs = _runs_of_sweep(folder.absolute())
            problems += of_jobs
        if not runs:
            missing = "" if folder.is_dir() else "no such folder; "
            near = suggest_run(folder)
            raise NoRun(f"{folder}: {missing}not a run and holds none (no run.json){near}")
        found |= dict.fromkeys(run.absolute() for run in runs)
    return list(found), problems


class _Job(TypedDict):
    """What a report needs of a job's status."""

    run: str


def _runs_of_sweep(folder: Path) -> tuple[list[Path], list[str]]:
    files = sorted(folder.glob("jobs/*.json"), key=lambda path: (len(path.stem), path.stem))
    runs, problems = read_each(_find_run_of_job, files)
    return [run for run in runs if run], problems


def _find_run_of_job(file: Path) -> Path | None:
    """Return a job's run, if it has begun; if the outputs were moved, the run beside the sweep."""
    run = Path(read_typed(file, _Job, "")["run"])
    beside = file.parents[3] / run.parent.name / run.name
    try:
        return next((path for path in (beside, run) if (path / "run.json").exists()), None)
    except OSError as error:  # a name that is too long
        raise damaged(file, f"run: {error.strerror}", "") from error


def read_run(path: Path) -> OpenedRun:
    """Read run.json and all records of a run now, so that damage is found now."""
    run = OpenedRun(RunDir(path))
    check_run(run)
    return run


def read_each(
    read: Callable[[Source], Found], sources: Sequence[Source]
) -> tuple[list[Found], list[str]]:
    """Return what can be read, and one line for each that is damaged."""
    found, problems = [], []
    for source in sources:
        try:
            found.append(read(source))
        except DamagedFile as error:
            problems.append(f"left out: {error}")
    return found, problems


def read_runs(paths: Sequence[Path]) -> tuple[list[OpenedRun], list[str]]:
    """Return the runs that can be read, and one line for each that is damaged.

    Raises:
        DamagedFile: none of them can be read.
    """
    runs, problems = read_each(read_run, paths)
    if not runs:
        raise DamagedFile(problems[0].removeprefix("left out: "))
    return runs, problems


def state_of(run: OpenedRun) -> str:
    """Word a run's status, with the number of finished rounds unless all are."""
    status, message = run.run_json["status"], run.run_json.get("message")
    if status == "finished":
        return "finished"
    if status == "running":
        status = "still running, or killed"  # a killed run cannot write how it ended
    asked = run.run_json.get("rounds", [])
    done = len(set(run.finished_rounds) & set(asked))
    words = f"{status}; {done} of {len(asked)} rounds are finished"
    return f"{words}: {message}" if message else words

"""Which runs are in a folder and how far they are, by their small files; nothing is written."""

import csv
import json
import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lottery.errors import NoRun
from lottery.record.files import DamagedFile, damaged, open_regular
from lottery.record.opened_run import OpenedRun, suggest_run
from lottery.record.rows import has_validation, winning_round
from lottery.record.run_dir import RunDir, runs_below
from lottery.record.schema import Row
from lottery.runs.run_lock import works_there

MAKE_TABLE = "the command that began the run makes it again"


@dataclass(frozen=True)
class ListedRun:
    """What is said of one run; its fields are the columns of the list."""

    run: str
    status: str  # running, finished, interrupted, failed or damaged
    rounds: int = 0  # that are finished
    asked: int = 0  # rounds that the last command asked for
    best_round: int | None = None  # the winning round so far
    remaining: float | None = None  # this and the next: there
    val: float | None = None
    metric: str = ""  # of val
    val_text: str = ""  # as people read it
    ticket: bool = False  # whether one was taken out
    changed_s: float = 0.0  # seconds since the last sign of life
    differs: str = ""  # values in which settings with equal names differ
    note: str = ""  # why it failed, what is damaged

    @property
    def setting(self) -> str:
        """The folder of its setting."""
        return str(Path(self.run).parent)


def list_runs(folders: Sequence[Path]) -> list[ListedRun]:
    """Return the runs in or below some folders; the setting that changed last is the last one.

    A damaged run is one entry that says so.

    Raises:
        NoRun: a folder does not exist, or holds no run.
    """
    paths: dict[Path, None] = {}  # in order, each once
    for folder in folders:
        found = runs_below(folder)
        if not found:
            missing = "" if folder.is_dir() else "no such folder; "
            near = suggest_run(folder)
            raise NoRun(f"{folder}: {missing}not a run and holds none (no run.json){near}")
        paths |= dict.fromkeys(found)
    opened = [OpenedRun(RunDir(path)) for path in paths]
    differs = _differing(opened)
    runs = [_list_one(run, differs.get(run.path.parent, "")) for run in opened]
    newest = {run.setting: run.changed_s for run in runs}
    for run in runs:
        newest[run.setting] = min(newest[run.setting], run.changed_s)
    return sorted(runs, key=lambda run: (-newest[run.setting], run.setting, len(run.run), run.run))


def _list_one(run: OpenedRun, differs: str) -> ListedRun:
    changed_s = _seconds_since_change(run.folder)
    try:
        status, note = _status(run)
        rows, score = _read_rows(run.folder), run.score
    except DamagedFile as error:
        return ListedRun(str(run.path), "damaged", changed_s=changed_s, note=str(error))
    best = winning_round(rows, score) if rows and has_validation(rows) else None
    row = next((row for row in rows if row["round"] == best), None)
    asked = run.run_json["rounds"]
    return ListedRun(
        run=str(run.path),
        status=status,
        rounds=len(set(run.finished_rounds) & set(asked)),
        asked=len(asked),
        best_round=best,
        remaining=row["remaining"] if row else None,
        val=row["val"] if row else None,
        metric=score.metric,
        val_text=f"{score.format(row['val'])} {score.unit or score.metric}" if row else "",
        ticket=run.folder.ticket.ticket_json.exists(),
        changed_s=changed_s,
        differs=differs,
        note=note,
    )


def _status(run: OpenedRun) -> tuple[str, str]:
    """Return a run's status and what is known of how it ended; a killed run cannot write it."""
    status, message = run.run_json["status"], run.run_json["message"]
    if status == "running" and not works_there(run.path):
        return "interrupted", "killed: nothing works in it"
    return status, message


def _read_rows(folder: RunDir) -> list[Row]:
    """Return what the list needs of results.csv; records would take a hundred times as long."""
    path = folder.results_csv
    try:
        with open_regular(path, MAKE_TABLE) as file:
            lines = csv.DictReader(file.read().decode().splitlines())
        rows = [
            {
                "round": int(line["round"]),
                "remaining": _finite(line["remaining"]),
                "val": _finite(line["val"]) if line["val"] else None,
            }
            for line in lines
        ]
    except FileNotFoundError:  # no round is finished yet
        return []
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise damaged(path, f"no table of rounds: {error}", MAKE_TABLE) from error
    return [cast(Row, row) for row in rows]


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # JSON has no such number
        raise ValueError(f"{text} is no finite number")
    return number


def _seconds_since_change(folder: RunDir) -> float:
    signs = (folder.run_json, folder.results_csv, folder.path / ".owner.json")
    times = [path.lstat().st_mtime for path in signs if path.is_symlink() or path.exists()]
    return max(0.0, time.time() - max(times, default=0.0))


def _differing(runs: Sequence[OpenedRun]) -> dict[Path, str]:
    """Return, by folder, what differs between settings whose names differ in the key only."""
    alike: dict[str, dict[Path, Mapping[str, Any]]] = defaultdict(dict)
    for run in runs:
        try:
            alike[run.name.rpartition("-")[0]].setdefault(run.path.parent, run.config)
        except DamagedFile:  # its own entry says so
            continue
    found = {}
    for configs in alike.values():
        keys = sorted(set().union(*configs.values()))
        differing = [key for key in keys if len({str(c.get(key)) for c in configs.values()}) > 1]
        for folder, config in configs.items():
            known = [key for key in differing if key in config]
            found[folder] = " ".join(f"{key}={_as_typed(config[key])}" for key in known)
    return found


def _as_typed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

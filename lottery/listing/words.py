"""The list of runs as people, and as other programs, read it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lottery.errors import escaped
from lottery.listing.runs import ListedRun
from lottery.record.text_table import format_percent, text_table

UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def format_list(runs: Sequence[ListedRun], width: int) -> str:
    """Return the list as people read it: each setting, and below it its runs.

    Args:
        runs: as `list_runs` returns them.
        width: characters of a line of a run; the end of a longer one is left out.
    """
    columns = ["  seed", "status", "rounds", "best round", "left %", "val", "changed", ""]
    cells = [
        [
            "  " + Path(run.run).name.removeprefix("seed_"),
            run.status,
            f"{run.rounds}/{run.asked}" if run.asked else "-",
            f"{run.best_round}{', ticket' if run.ticket else ''}" if run.best_round else "-",
            format_percent(run.remaining),
            run.val_text or "-",
            f"{age(run.changed_s)} ago",
            run.note,
        ]
        for run in runs
    ]
    header, *lines = text_table(columns, cells).splitlines()
    shown, setting = [header], ""
    for run, line in zip(runs, lines, strict=True):
        if run.setting != setting:
            setting = run.setting
            shown.append(_setting_line([other for other in runs if other.setting == setting]))
        shown.append(line if len(line) <= width else f"{line[: width - 1]}…")
    return "\n".join(shown)


def _setting_line(runs: Sequence[ListedRun]) -> str:
    finished = sum(run.status == "finished" for run in runs)
    seeds = f"{finished} of {len(runs)} finished"
    differs = next((run.differs for run in runs if run.differs), "")
    return escaped("  ".join(filter(None, (runs[0].setting, seeds, differs))))


def age(seconds: float) -> str:
    """Return a time in its largest unit.

    Example:
        >>> age(7.4), age(3 * 3600 + 5)
        ('7 s', '3 h')
    """
    unit, size = next(((unit, size) for unit, size in UNITS if seconds >= size), UNITS[-1])
    return f"{int(seconds // size)} {unit}"


def to_tab_separated(runs: Sequence[ListedRun]) -> str:
    """Return the list for other programs: a header, then one line a run, tabs between values."""
    entries = [list(to_entry(run).items()) for run in runs]
    lines = [[name for name, _ in entries[0]]]
    lines += [["" if value is None else str(value) for _, value in entry] for entry in entries]
    return "\n".join("\t".join(map(escaped, line)) for line in lines)


def to_entry(run: ListedRun) -> dict[str, Any]:
    """Return a run's values by name."""
    entry = {name: value for name, value in asdict(run).items() if name != "val_text"}
    return entry | {"changed_s": round(run.changed_s, 1)}

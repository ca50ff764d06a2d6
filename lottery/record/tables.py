"""The tables of a run, made from its rounds' records: results, history and timing."""

import csv
import logging
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from lottery.record.files import to_csv, to_json, write_text
from lottery.record.opened_run import OpenedRun
from lottery.record.schema import COLUMNS, DYNAMIC_COLUMNS, TIMING_COLUMNS
from lottery.record.score import Score

log = logging.getLogger(__name__)

IN_RESULTS_JSON = ("row", "layers", "checks", "early_bird")


def tables_are_current(run: OpenedRun) -> bool:
    """Return whether the tables are there and say, to the byte, what the records say."""
    return all(
        path.exists() and path.read_bytes() == content.encode()
        for path, content in _make_tables(run).items()
    )


def write_tables(run: OpenedRun) -> None:
    """Make the tables from the rounds' records, which are the truth, where they differ."""
    for path, content in _make_tables(run).items():
        there = path.read_bytes() if path.exists() else None
        if there == content.encode():
            continue
        if there is not None and not _is_part_of(there, content, is_json=path.suffix == ".json"):
            log.warning("%s: was damaged; made again from the rounds' records", path)
        write_text(path, content)


def _make_tables(run: OpenedRun) -> dict[Path, str]:
    folder, records = run.folder, run.records
    rounds = [{name: v for name, v in r.items() if name in IN_RESULTS_JSON} for r in records]
    history = [row for record in records for row in record["history"]]
    moves = [move for record in records for move in record.get("dynamic", [])]
    moving = any("dynamic" in record for record in records)
    dynamic = {folder.dynamic_csv: to_csv(DYNAMIC_COLUMNS, moves)} if moving else {}
    return {
        folder.results_json: to_json({"rounds": rounds}),
        folder.history_csv: to_csv(history_columns(run.score, history), history),
        **dynamic,
        folder.timing_csv: to_csv(TIMING_COLUMNS, [record["timing"] for record in records]),
        folder.results_csv: to_csv(results_columns(run.rows), run.rows),
    }


def results_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns that all rows have: ours, all if there are no rows, and further metrics.

    Runs older than a column lack it. When such a run is extended, the lines of its earlier rounds
    stay as they are, and results.json has the new values.
    """
    if not rows:
        return list(COLUMNS)
    names = [*COLUMNS, *(name for name in rows[0] if name not in COLUMNS)]
    return [name for name in names if all(name in row for row in rows)]


def history_columns(score: Score, history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns of history.csv: the score by the name of its metric, then further ones.

    Only a user's module logs further ones.
    """
    ours = ["round", "iteration", "split", "loss", score.metric]
    return list(dict.fromkeys([*ours, *(name for entry in history for name in entry)]))


def _is_part_of(there: bytes, content: str, *, is_json: bool) -> bool:
    """Return whether a table is whole but lacks the newest round, or the columns new in it."""
    try:
        text = there.decode()
        if is_json:
            lines, known = ({line.rstrip(",") for line in t.splitlines()} for t in (text, content))
            return text.endswith("\n}\n") and lines <= known | {' "rounds": []'}
        header, *rows = csv.reader(StringIO(text))
    except (ValueError, csv.Error):  # not UTF-8, empty, no table
        return False
    same = {tuple(row.get(name) for name in header) for row in csv.DictReader(StringIO(content))}
    return text.endswith("\n") and all(tuple(row) in same for row in rows)

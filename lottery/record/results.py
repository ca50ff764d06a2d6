"""The record of a run: one row per finished round, and the tables made from the rows."""

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lottery.record.run_dir import (
    DamagedFile,
    RoundDir,
    RunDir,
    read_json,
    to_json,
    write_json,
    write_text,
)

log = logging.getLogger(__name__)

Row = dict[str, Any]
Record = dict[str, Any]

COLUMNS = (
    *("round", "remaining", "ES", "val", "test"),
    *("val_loss", "val_f1", "val_precision", "val_recall", "f1", "precision", "recall"),
    *("val_last", "test_last", "steps", "remaining_all", "params", "params_remaining"),
    *("flops", "flops_remaining", "live_zeros", "compression_ratio", "theoretical_speedup"),
)
HISTORY_COLUMNS = ("round", "iteration", "split", "loss", "accuracy")
TIMING_COLUMNS = (
    *("round", "train_seconds", "steps_per_second"),
    *("inference_ms", "inference_csr_ms", "peak_memory_mb"),
)
PARTS = {"row", "layers", "checks", "history", "timing"}  # of a record; and early_bird, on demand
# What others rely on in run.json
RUN_JSON = {"config": dict, "digests": dict, "machine": dict, "status": str, "seed": int}


def write_record(run_dir: RunDir, record: Record) -> None:
    """Store what one round measured, which makes the round finished.

    Args:
        run_dir: the run.
        record: `row` (the columns of results.csv), `layers` (counts per layer), `checks` (what
            the boundary checks measured), `history` (rows of history.csv), `timing` (a row of
            timing.csv).
    """
    if tuple(record["row"]) != COLUMNS:
        raise ValueError(f"a row has the columns {COLUMNS}, got {tuple(record['row'])}")
    entry = {**record, "digest": json_digest(record)}
    write_json(run_dir.round(record["row"]["round"]).record, entry)


def read_record(round_dir: RoundDir) -> Record:
    """The record of a finished round, as it was given to `write_record`.

    Raises:
        DamagedFile: it is not what was written; records of the first release cannot tell.
    """
    record = _read_entries(round_dir.record)
    written = record.pop("digest", None)
    changed = written is not None and written != json_digest(record)
    if changed or PARTS - record.keys():
        number = int(round_dir.path.name)
        raise DamagedFile(f"{round_dir.record}: damaged; remove it to do round {number} again")
    return record


def _read_entries(path: Path) -> dict[str, Any]:
    """The entries of a JSON file; none where it holds something else."""
    try:
        entries = read_json(path)
    except ValueError:
        return {}
    return entries if isinstance(entries, dict) else {}


def json_digest(value: Any) -> str:
    """sha256 of a value that JSON can hold, the order of its keys aside."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_records(run_dir: RunDir) -> list[Record]:
    """The records of all finished rounds, by round.

    Raises:
        DamagedFile: one of them is not what was written.
    """
    return [read_record(run_dir.round(number)) for number in run_dir.finished_rounds()]


def read_run_json(run_dir: RunDir) -> dict[str, Any]:
    """The content of run.json.

    Raises:
        DamagedFile: it cannot be read. The command that began the run can make it anew.
    """
    entry = _read_entries(run_dir.run_json)
    if not all(isinstance(entry.get(name), kind) for name, kind in RUN_JSON.items()):
        raise DamagedFile(
            f"{run_dir.run_json}: damaged; remove it, and the command that began the run makes "
            "it anew (data and code are then taken for unchanged)"
        )
    return entry


def tables_are_current(run_dir: RunDir) -> bool:
    """Whether the tables are there and say, to the byte, what the records say."""
    return all(
        path.exists() and path.read_bytes() == content
        for path, content in _make_tables(run_dir).items()
    )


def write_tables(run_dir: RunDir) -> None:
    """Make results.csv, results.json, history.csv and timing.csv from the rounds' records.

    The records are the truth and the tables a view of them, so a kill between two tables is
    mended by making them again.
    """
    for path, content in _make_tables(run_dir).items():
        there = path.read_bytes() if path.exists() else None
        if there == content:
            continue
        if there is not None and not _has_only_fewer_rounds(there, content):
            log.warning("%s: was damaged; made again from the rounds' records", path)
        write_text(path, content.decode())


def _make_tables(run_dir: RunDir) -> dict[Path, bytes]:
    import pandas as pd  # half a second, which a command's --help need not wait for

    records = read_records(run_dir)
    kept = ("row", "layers", "checks", "early_bird")
    whole = [{name: record[name] for name in kept if name in record} for record in records]
    tables = {run_dir.results_json: to_json({"rounds": whole})}
    for path, columns, rows in (
        (run_dir.history_csv, HISTORY_COLUMNS, [e for r in records for e in r["history"]]),
        (run_dir.timing_csv, TIMING_COLUMNS, [record["timing"] for record in records]),
        (run_dir.results_csv, COLUMNS, [record["row"] for record in records]),
    ):
        table = pd.DataFrame(rows, columns=list(columns))
        tables[path] = table.to_csv(index=False, lineterminator="\n")
    return {path: text.encode() for path, text in tables.items()}


def _has_only_fewer_rounds(there: bytes, content: bytes) -> bool:
    """Whether a table is whole and lacks lines at most, as it does before a round is added."""
    lines, known = (
        {line.rstrip(b",") for line in table.splitlines()} for table in (there, content)
    )
    ending = b"\n}\n" if content.endswith(b"\n}\n") else b"\n"  # of JSON, of CSV
    return there.endswith(ending) and lines <= known | {b' "rounds": []'}


def winning_round(rows: Sequence[Row]) -> int | None:
    """Return the round of the winning ticket by `best_round`; None when no round was pruned.

    Example:
        >>> row = lambda r, remaining, val: {"round": r, "remaining": remaining, "val": val}
        >>> winning_round([row(0, 1.0, 0.99), row(1, 0.8, 0.98), row(2, 0.64, 0.98)])
        2
    """
    val = {int(row["round"]): row["val"] for row in rows}
    return best_round(val, {int(row["round"]): row["remaining"] for row in rows})


def best_round(val: Mapping[int, float], remaining: Mapping[int, float]) -> int | None:
    """Return the pruned round with the highest `val`; of equal ones the sparsest.

    Means over seeds can differ in their last bits although the accuracies are equal, so values
    are equal if they agree to nine digits. Test accuracy plays no role.

    Args:
        val: validation accuracy by round, of one run or as mean over seeds.
        remaining: share of weights left, by round.

    Returns:
        The number of the round, at least 1; None when no round was pruned.

    Example:
        >>> best_round({0: 0.99, 1: 0.97, 2: 0.98, 3: 0.98}, {0: 1, 1: 0.8, 2: 0.64, 3: 0.51})
        3
    """
    pruned = [number for number in val if number >= 1]
    if not pruned:
        return None
    best = max(pruned, key=val.__getitem__)
    equal = [n for n in pruned if n == best or math.isclose(val[n], val[best])]
    return min(equal, key=remaining.__getitem__)


def sparsest_within(rows: Sequence[Row], points: float) -> int | None:
    """The sparsest round whose `val` is at most so far below the dense network's.

    Args:
        rows: of the rounds, round 0 among them.
        points: percentage points.

    Returns:
        The round's number, None when no pruned round is as good.

    Example:
        >>> row = lambda r, remaining, val: {"round": r, "remaining": remaining, "val": val}
        >>> sparsest_within([row(0, 1.0, 0.99), row(1, 0.8, 0.986), row(2, 0.64, 0.98)], 0.5)
        1
    """
    (dense,) = (row["val"] for row in rows if row["round"] == 0)
    lowest = dense - points / 100 - 1e-12  # of 0.99 and 0.985 the difference is not quite 0.005
    good = [row for row in rows if row["round"] >= 1 and row["val"] >= lowest]
    return int(min(good, key=lambda row: row["remaining"])["round"]) if good else None


def format_percent(share: float | None) -> str:
    """A share as people read it; "-" for none.

    Example:
        >>> format_percent(0.51281)
        '51.28'
    """
    return "-" if share is None or share != share else f"{100 * share:.2f}"


def format_table(rows: Sequence[Row]) -> str:
    """The rows as people read them: percent, one line per round, the winning round marked."""
    import pandas as pd

    winner = winning_round(rows)
    lines = [
        {
            "round": row["round"],
            "remaining %": format_percent(row["remaining"]),
            "ES": row["ES"],
            "val %": format_percent(row["val"]),
            "test %": format_percent(row["test"]),
            "test at end %": format_percent(row["test_last"]),
            "": "winning round" if row["round"] == winner else "",
        }
        for row in rows
    ]
    text = pd.DataFrame(lines).to_string(index=False)
    return "\n".join(line.rstrip() for line in text.splitlines())

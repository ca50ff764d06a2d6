"""The record of a run: one row per finished round, and the tables made from the rows."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lottery.run_dir import RunDir, read_json, write_json, write_text

Row = dict[str, Any]
Record = dict[str, Any]

COLUMNS = (
    *("round", "remaining", "ES", "val", "test"),
    *("val_loss", "val_f1", "val_precision", "val_recall", "f1", "precision", "recall"),
    *("val_last", "test_last", "steps", "remaining_all", "params", "params_remaining"),
    "live_zeros",
)
HISTORY_COLUMNS = ("round", "iteration", "split", "loss", "accuracy")
TIMING_COLUMNS = ("round", "train_seconds", "steps_per_second", "inference_ms", "peak_memory_mb")


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
    write_json(run_dir.round(record["row"]["round"]).record, record)


def read_records(run_dir: RunDir) -> list[Record]:
    """The records of all finished rounds, by round."""
    return [read_json(run_dir.round(number).record) for number in run_dir.finished_rounds()]


def write_tables(run_dir: RunDir) -> None:
    """Make results.csv, results.json, history.csv and timing.csv from the rounds' records.

    The records are the truth and the tables a view of them, so a kill between two tables is
    mended by making them again.
    """
    records = read_records(run_dir)
    rows = [record["row"] for record in records]
    history = [entry for record in records for entry in record["history"]]
    timing = [record["timing"] for record in records]
    kept = ("row", "layers", "checks")
    whole = [{name: record[name] for name in kept} for record in records]
    write_json(run_dir.results_json, {"rounds": whole})
    for path, table in (
        (run_dir.history_csv, pd.DataFrame(history, columns=list(HISTORY_COLUMNS))),
        (run_dir.timing_csv, pd.DataFrame(timing, columns=list(TIMING_COLUMNS))),
        (run_dir.results_csv, pd.DataFrame(rows, columns=list(COLUMNS))),
    ):
        write_text(path, table.to_csv(index=False, lineterminator="\n"))


def winning_round(rows: Sequence[Row]) -> int | None:
    """The round of the winning ticket: highest `val` among rounds >= 1, ties to the sparsest.

    Test accuracy plays no part in it.

    Returns:
        The round's number, None when no round was pruned.

    Example:
        >>> row = lambda r, remaining, val: {"round": r, "remaining": remaining, "val": val}
        >>> winning_round([row(0, 1.0, 0.99), row(1, 0.8, 0.98), row(2, 0.64, 0.98)])
        2
    """
    pruned = [row for row in rows if row["round"] >= 1]
    if not pruned:
        return None
    best = max(pruned, key=lambda row: (row["val"], -row["remaining"]))
    return int(best["round"])


def format_percent(share: float | None) -> str:
    """A share as people read it; "-" for none.

    Example:
        >>> format_percent(0.51281)
        '51.28'
    """
    return "-" if share is None or share != share else f"{100 * share:.2f}"


def format_table(rows: Sequence[Row]) -> str:
    """The rows as people read them: percent, one line per round, the winning round marked."""
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

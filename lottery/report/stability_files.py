"""A run's stability analysis as a report needs it: read from its tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lottery.record.files import DamagedFile
from lottery.record.run_dir import StabilityDir

Row = dict[str, Any]

COLUMNS = {
    "points": {"round", "step", "pair", "alpha", "split", "error"},
    "pairs": {"round", "step", "pair", "remaining", "barrier_train", "barrier_test"},
    "untrained": {"round", "weights", "split", "accuracy"},
}


@dataclass(frozen=True)
class StabilityTables:
    """The rows of points.csv, pairs.csv and untrained.csv."""

    points: tuple[Row, ...]
    pairs: tuple[Row, ...]
    untrained: tuple[Row, ...]


def read_stability(folder: StabilityDir) -> StabilityTables | None:
    """What `lottery-stability` has found so far; None where it has not been used.

    Raises:
        DamagedFile: a table is not what was written.
    """
    if not folder.pairs_csv.exists():
        return None
    return StabilityTables(
        _read(folder.points_csv, COLUMNS["points"]),
        _read(folder.pairs_csv, COLUMNS["pairs"]),
        _read(folder.untrained_csv, COLUMNS["untrained"]),
    )


def _read(path: Path, columns: set[str]) -> tuple[Row, ...]:
    import pandas as pd  # half a second, which --help need not wait for

    try:
        table = pd.read_csv(path)
        missing = columns - set(table.columns)
    except (ValueError, OSError):  # of pandas, whatever is wrong
        table, missing = pd.DataFrame(), columns
    if missing:
        raise DamagedFile(f"{path}: damaged; remove it, and lottery-stability makes it anew")
    rows: list[Any] = table.to_dict("records")
    return tuple(rows)

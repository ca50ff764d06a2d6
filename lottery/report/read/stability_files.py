"""Read the tables that `lottery-stability` has written into a run's folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lottery.record.files import DamagedFile
from lottery.record.run_dir import StabilityDir

if TYPE_CHECKING:
    import pandas as pd

NEEDED_POINT_COLUMNS = {"round", "step", "pair", "alpha", "split", "error"}
NEEDED_PAIR_COLUMNS = {"round", "step", "pair", "remaining", "barrier_train", "barrier_test"}
NEEDED_UNTRAINED_COLUMNS = {"round", "weights", "split", "accuracy"}


@dataclass(frozen=True)
class StabilityTables:
    """The content of points.csv, pairs.csv and untrained.csv."""

    points: "pd.DataFrame"
    pairs: "pd.DataFrame"
    untrained: "pd.DataFrame"


def read_stability(folder: StabilityDir) -> StabilityTables | None:
    """Return the tables in a run's stability folder; None if the run was not analysed.

    Raises:
        DamagedFile: a table is not what was written.
    """
    if not folder.pairs_csv.exists():
        return None
    return StabilityTables(
        points=_read_table(folder.points_csv, NEEDED_POINT_COLUMNS),
        pairs=_read_table(folder.pairs_csv, NEEDED_PAIR_COLUMNS),
        untrained=_read_table(folder.untrained_csv, NEEDED_UNTRAINED_COLUMNS),
    )


def _read_table(path: Path, needed: set[str]) -> "pd.DataFrame":
    import pandas as pd  # half a second, which a command's --help need not wait for

    try:
        table = pd.read_csv(path)
    except (ValueError, OSError):  # pandas' errors for a file that is no table are ValueErrors
        table = pd.DataFrame()
    if needed - set(table.columns):
        raise DamagedFile(f"{path}: damaged; remove it and run lottery-stability again")
    return table

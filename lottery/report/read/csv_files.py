"""Read a CSV file of a run's folder; every fault is a DamagedFile of one line."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lottery.record.files import damaged, open_regular

if TYPE_CHECKING:
    import pandas as pd


def read_csv(
    path: Path, whole: Mapping[str, str], may_be_empty: Mapping[str, str], repair: str
) -> "pd.DataFrame":
    """Return the table of a CSV file.

    Args:
        path: the file.
        whole: columns without an empty cell, with their types.
        may_be_empty: further columns that must be there, with their types.
        repair: what a user can do about a damaged file.

    Raises:
        DamagedFile: the file or one of these columns is missing, or a cell is of another type.
    """
    import pandas as pd  # half a second, which a command's --help need not wait for

    types = {**whole, **may_be_empty}
    try:
        with open_regular(path, repair) as file:
            table = pd.read_csv(file, dtype=types)
        missing = sorted(types.keys() - set(table.columns))
        if missing:
            raise ValueError(f"no column {missing[0]!r}")
        cells = table[[*whole]].replace([math.inf, -math.inf], math.nan)
    except (ValueError, OverflowError, FileNotFoundError) as error:  # the first are of pandas
        raise damaged(path, str(error).splitlines()[0], repair) from error
    if cells.isna().any(axis=None):
        raise damaged(path, "a cell is empty or infinite", repair)
    return table

"""Reading a table from a CSV file, whatever its values mean."""

import hashlib
import io
from pathlib import Path

import pandas as pd

from lottery.data.errors import DataError

NO_VALUE = ("?",)  # besides what pandas takes for no value: nothing, NA, NaN, null, None ...


def read_table(file: str) -> tuple[pd.DataFrame, str]:
    """Read a CSV file whose first row names the columns.

    Returns:
        The table, every value as text or NaN where there is none, with each row's number in the
        file (empty lines not counted) as index; and the file's sha256.

    Raises:
        DataError: it cannot be read, or a column has no name or that of another one.
    """
    try:
        content = Path(file).read_bytes()
        cells = pd.read_csv(
            io.BytesIO(content),
            header=None,
            dtype=str,
            na_values=NO_VALUE,
            skipinitialspace=True,
            encoding="utf-8-sig",  # spreadsheets put a mark at the front
        )
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8") from error
    except ValueError as error:  # of pandas
        raise DataError(f"{file}: {str(error).splitlines()[0]}") from error
    names, table = cells.iloc[0].tolist(), cells.iloc[1:].astype(object)
    for place, name in enumerate(names):
        if not isinstance(name, str):
            raise bad_row(file, 1, f"column {place + 1} has no name")
        if name in names[:place]:
            raise bad_row(file, 1, f"two columns are named {name!r}")
    table.columns = pd.Index(names)
    table.index += 1
    return table, hashlib.sha256(content).hexdigest()


def bad_row(file: str, row: object, reason: str) -> DataError:
    """Return the error for a row of the file."""
    return DataError(f"{file}: row {row}: {reason}")

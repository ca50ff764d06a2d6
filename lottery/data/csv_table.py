"""Read a table from a CSV file, whatever its values mean."""

import hashlib
import io
from pathlib import Path

import pandas as pd

from lottery.data.errors import DataError
from lottery.data.files import decode_text, read_bytes

NO_VALUE = ("?",)  # besides what pandas takes for no value: nothing, NA, NaN, null, None ...


def read_table(file: str) -> tuple[pd.DataFrame, str]:
    """Return the table in a file whose first row names the columns, and the file's sha256.

    Every value is a text, or NaN where there is none. The index is each row's number in the file;
    empty lines are not counted.
    """
    content = read_bytes(Path(file))
    try:
        cells = pd.read_csv(
            io.StringIO(decode_text(Path(file), content)),
            header=None,
            dtype=str,
            na_values=NO_VALUE,
            skipinitialspace=True,
        )
    except ValueError as error:  # of pandas
        raise DataError(f"{file}: {str(error).splitlines()[0]}") from error
    names, table = cells.iloc[0].tolist(), cells.iloc[1:].astype(object)
    for position, name in enumerate(names):
        if not isinstance(name, str):
            raise bad_row(file, 1, f"column {position + 1} has no name")
        if name in names[:position]:
            raise bad_row(file, 1, f"two columns are named {name!r}")
    table.columns = pd.Index(names)
    table.index += 1
    return table, hashlib.sha256(content).hexdigest()


def bad_row(file: str, row: object, reason: str) -> DataError:
    """Return the error for a row of the file."""
    return DataError(f"{file}: row {row}: {reason}")

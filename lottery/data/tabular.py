"""A table in a CSV file: one column is the target, the others are the inputs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from lottery.arguments import check_flag, check_one_of, check_text, check_texts
from lottery.data.csv_table import bad_row, read_table
from lottery.data.errors import DataError
from lottery.data.splits import Split, Splits
from lottery.data.subset import Rows, draw_shares

log = logging.getLogger(__name__)

VAL_SHARE, TEST_SHARE = 0.2, 0.1
SMALLEST_CLASS = 3  # one row for each split
LARGEST = 1e100  # number, whose square can be summed
MOST_TEXTS = 1000  # of a column; one with more names the row, and tells nothing of its class


@dataclass(frozen=True)
class Tabular:
    """The rows of a CSV file: 70 % of each class for training, 20 % validation, 10 % testing.

    Every row is in one split, and every class has at least one row in each. Classes are numbered
    in ascending order where they are numbers, else alphabetically. A target that is a number is
    standardised like an input: an error of 1 is one standard deviation of the training rows.

    A column of numbers is one input: the number less the mean over the standard deviation, both
    of the training rows. Every other column is one input for each text that training rows have in
    it: 1 where the row has that text, else 0. The inputs of columns of numbers come first.

    Args:
        file: with the names of the columns in its first row.
        target: the column of the classes: texts or whole numbers; or of the numbers to predict.
        categorical: columns whose numbers are to be taken as texts, such as codes.
        exclude: columns that are no inputs, such as a row's number.
        missing: "error" refuses a row without a value; "impute" puts in the mean of the training
            rows for a number, and their most frequent text for a text.
        split_seed: draws validation and test rows.
        numeric_target: the target is a number, for regression; rows are then drawn by chance.
    """

    file: str
    target: str
    categorical: Sequence[str]
    exclude: Sequence[str]
    missing: str
    split_seed: int
    numeric_target: bool = False

    def __post_init__(self) -> None:
        check_text("file", self.file)
        check_text("target", self.target)
        check_texts("categorical", self.categorical)
        check_texts("exclude", self.exclude)
        check_one_of("missing", self.missing, ("error", "impute"))
        check_flag("numeric_target", self.numeric_target)

    def load(self) -> Splits:
        """Return the splits; a DataError names the file, and the row or column that is wrong."""
        table, digest = read_table(self.file)
        self._check_names(table.columns.tolist())
        column = table[self.target]
        self._refuse(column, column.isna(), f"no {self.target}")
        labels, num_classes = np.zeros(len(table), dtype=np.int64), None
        if not self.numeric_target:
            labels, num_classes = self._labels(column)
        val_rows, test_rows, train_rows = draw_shares(
            labels, [VAL_SHARE, TEST_SHARE], self.split_seed
        )
        inputs = torch.from_numpy(self._inputs(table, train_rows)).float()
        targets = torch.from_numpy(labels)
        if self.numeric_target:
            targets = torch.from_numpy(self._numbers(column, train_rows)).float()
        train, val, test = (
            Split(inputs[rows], targets[rows]) for rows in (train_rows, val_rows, test_rows)
        )
        return Splits(train, val, test, num_classes, {Path(self.file).name: digest})

    def _check_names(self, names: Sequence[str]) -> None:
        for asked in (self.target, *self.categorical, *self.exclude):
            if asked not in names:
                raise bad_row(self.file, 1, f"no column {asked!r} among {', '.join(names)}")
        if not set(names) - {self.target, *self.exclude}:
            raise bad_row(self.file, 1, "no column is left for the inputs")

    def _labels(self, column: "pd.Series[Any]") -> tuple[npt.NDArray[np.int64], int]:
        """Return the class number of each row, and how many classes there are."""
        numbers = pd.to_numeric(column, errors="coerce")
        if numbers.notna().all():
            self._refuse(
                column,
                numbers % 1 != 0,
                f"{self.target} is no whole number; classes are, or texts; a number to predict "
                "needs dataset.numeric_target=true and task=regression",
            )
            column = numbers
        classes, labels = np.unique(column.to_numpy(), return_inverse=True)
        if len(classes) < 2:
            raise DataError(f"{self.file}: {len(classes)} classes, 2 or more expected")
        counts = np.bincount(labels)
        if counts.min() < SMALLEST_CLASS:
            rows = f"{counts.min()} rows with {self.target}={classes[counts.argmin()]}"
            raise DataError(
                f"{self.file}: {rows}, {SMALLEST_CLASS} or more expected, one for each split"
            )
        return labels, len(classes)

    def _numbers(self, column: "pd.Series[Any]", train: Rows) -> npt.NDArray[np.float64]:
        """Return the target of each row, standardised by the training rows."""
        numbers = pd.to_numeric(column, errors="coerce")
        self._refuse(column, numbers.isna(), f"{self.target} is no number")
        too_large = numbers.abs() > LARGEST
        self._refuse(column, too_large, f"{self.target} is too large: {LARGEST:g} at most")
        values: npt.NDArray[np.float64] = numbers.to_numpy(dtype=np.float64)
        mean, std = values[train].mean(), values[train].std()
        if not std > 0:
            raise DataError(f"{self.file}: {self.target} is the same in all training rows")
        log.info("%s: an error of 1 is %.6g of %s", self.file, std, self.target)
        scaled: npt.NDArray[np.float64] = (values - mean) / std
        return scaled

    def _inputs(self, table: pd.DataFrame, train: Rows) -> npt.NDArray[np.float64]:
        """Return the inputs of every row, scaled and encoded by what the training rows have."""
        table = table.drop(columns=[self.target, *self.exclude])
        columns: dict[str, list[str]] = {"numbers": [], "texts": []}
        for name in table.columns:
            self._check_missing(table[name], train)
            numbers = pd.to_numeric(table[name], errors="coerce")
            if name not in self.categorical and numbers.notna().equals(table[name].notna()):
                too_large = numbers.abs() > LARGEST
                self._refuse(table[name], too_large, f"{name} is too large: {LARGEST:g} at most")
                table[name] = numbers
                columns["numbers"].append(name)
            else:
                self._check_texts(table[name].iloc[train])
                if name not in self.categorical:
                    self._warn_of_numbers(table[name], numbers)
                columns["texts"].append(name)
        transform = _make_transform(columns["numbers"], columns["texts"]).fit(table.iloc[train])
        inputs: npt.NDArray[np.float64] = transform.transform(table)
        return inputs

    def _check_missing(self, column: "pd.Series[Any]", train: Rows) -> None:
        missing = column.isna()
        if self.missing == "error":
            hint = "dataset.missing=impute puts in what is usual"
            self._refuse(column, missing, f"no {column.name}; {hint}")
        elif missing.iloc[train].all():
            raise DataError(f"{self.file}: no training row has a value of {column.name}")
        elif missing.any():
            log.info("%s: imputed %d values of %s", self.file, missing.sum(), column.name)

    def _check_texts(self, column: "pd.Series[Any]") -> None:
        if column.nunique() > MOST_TEXTS:
            raise DataError(
                f"{self.file}: {column.nunique()} different texts in {column.name}, "
                f"at most {MOST_TEXTS} expected; dataset.exclude=[{column.name}] leaves it out"
            )

    def _warn_of_numbers(self, column: "pd.Series[Any]", numbers: "pd.Series[Any]") -> None:
        """Warn of a column with numbers and texts: a slip of the pen makes an input of each."""
        texts = column[numbers.isna() & column.notna()]
        if numbers.notna().any():
            log.warning(
                "%s: row %d: %s is %r, no number: %s is taken as texts, one input for each; "
                "dataset.categorical=[%s] if this is right",
                self.file,
                texts.index[0],
                column.name,
                texts.iloc[0],
                column.name,
                column.name,
            )

    def _refuse(self, column: "pd.Series[Any]", wrong: "pd.Series[bool]", reason: str) -> None:
        """Raise the error for the first row that is wrong, if there is one."""
        if wrong.any():
            raise bad_row(self.file, column.index[wrong][0], reason)


def _make_transform(numbers: Sequence[str], texts: Sequence[str]) -> Any:
    """Return scikit-learn's transformer of some columns of numbers and some of texts."""
    # imported here: half a second, which other datasets need not wait for
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    scale = make_pipeline(SimpleImputer(strategy="mean"), StandardScaler())
    encode = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return make_column_transformer((scale, numbers), (encode, texts))

"""Tables: how columns become inputs, the splits, missing values, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lottery import load_run
from lottery.data import DataError, Split, Splits, Tabular
from tests.conftest import TINY, Done, Lottery, snapshot
from tests.helpers.toy_tables import COLUMNS, table_rows, write_table

RUN = ("dataset=tabular", "dataset.exclude=[number]", "dataset.batch_size=10", "model.rates=[]")


def _table(path: Path, **changes: object) -> Tabular:
    given = Tabular(str(path), "target", [], ["number"], "error", split_seed=0)
    return replace(given, **changes)  # type: ignore[arg-type]


def _parts(splits: Splits) -> list[Split]:
    return [splits.train, splits.val, splits.test]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_table(tmp_path / "people.csv")


def test_every_row_is_in_one_split_with_its_class(path: Path) -> None:
    """The row's number, put in as a category, says which row an example is."""
    splits = _table(path, exclude=["age", "city", "code"], categorical=["number"]).load()
    splits.check()
    assert [len(part) for part in _parts(splits)] == [28, 8, 4]
    assert [torch.bincount(part.targets).tolist() for part in _parts(splits)] == [
        [14, 14],
        [4, 4],
        [2, 2],
    ]
    assert torch.equal(splits.train.inputs.sum(0), torch.ones(28))
    assert not splits.val.inputs.any(), "texts that no training row has"


def test_a_number_to_predict_is_standardised_by_the_training_rows(path: Path) -> None:
    """The target is the age; the row's number, as a category, says which row an example is."""
    numeric = {"target": "age", "categorical": ["number"], "numeric_target": True}
    splits = _table(path, exclude=["target", "city", "code"], **numeric).load()
    splits.check()
    assert splits.num_classes is None
    assert [len(part) for part in _parts(splits)] == [28, 8, 4]
    train = splits.train.targets
    assert train.dtype == torch.float32
    assert float(train.mean()) == pytest.approx(0, abs=1e-6)
    assert float(train.std(correction=0)) == pytest.approx(1)
    ages = np.array([float(row[1]) for row in table_rows()])
    everyone = torch.cat([part.targets for part in _parts(splits)]).sort().values
    expected = (np.sort(ages) - np.sort(ages)[0]) / (np.sort(ages)[-1] - np.sort(ages)[0])
    spread = (everyone - everyone[0]) / (everyone[-1] - everyone[0])
    np.testing.assert_allclose(spread.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("value", "line"),
    [("old", "row 4: age is no number"), ("1e200", "too large"), ("", "row 4: no age")],
)
def test_what_is_no_number_is_no_target(tmp_path: Path, value: str, line: str) -> None:
    path = write_table(tmp_path / "people.csv", _rows((2, 1, value)))
    with pytest.raises(DataError, match=line):
        _table(path, target="age", exclude=["number"], numeric_target=True).load()


def test_numbers_are_standardised_by_the_training_rows_and_texts_are_one_hot(path: Path) -> None:
    splits = _table(path).load()
    assert splits.input_shape == (4,)  # age, code; Bern, Rome
    ages = np.array([float(row[1]) for row in table_rows()])
    train = splits.train.inputs
    torch.testing.assert_close(train[:, :2].mean(0), torch.zeros(2), rtol=0, atol=1e-6)
    torch.testing.assert_close(train[:, :2].std(0, correction=0), torch.ones(2))
    everyone = torch.cat([part.inputs for part in _parts(splits)])
    scaled = everyone[:, 0].sort().values
    assert float(np.corrcoef(np.sort(ages), scaled.numpy())[0, 1]) == pytest.approx(1)
    assert abs(float(scaled.mean())) > 1e-3, "the mean of all rows played a part"
    assert torch.equal(everyone[:, 2:].sum(1), torch.ones(40))
    romans = sum(row[2] == "Rome" for row in table_rows())
    assert int(everyone[:, 3].sum()) == romans


def test_codes_may_be_texts(path: Path) -> None:
    splits = _table(path, categorical=["code"]).load()
    assert splits.input_shape == (6,)  # age; Bern, Rome; 0, 10, 20
    assert torch.equal(splits.train.inputs[:, 3:].sum(1), torch.ones(28))


def test_the_split_seed_redraws_and_the_digest_is_the_files(path: Path) -> None:
    splits, again, other = (_table(path, split_seed=seed).load() for seed in (0, 0, 1))
    assert splits.digest() == again.digest() != other.digest()
    assert splits.digests() == other.digests()
    assert list(splits.digests()) == ["people.csv"]
    path.write_text(path.read_text().replace("Bern", "Berne"))
    assert _table(path).load().digests() != splits.digests()


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["10", "9", "100"], [9, 10, 100]),  # numbers in their order
        (["1.0", "0.0", "1"], [0, 1]),
        (["x10", "x9", "x9"], ["x10", "x9"]),
        (["True", "False", "10"], ["10", "False", "True"]),
    ],
)
def test_classes_are_numbers_or_texts_in_order(
    tmp_path: Path, values: list[str], classes: list[object]
) -> None:
    rows = [[*row[:4], values[place % 3]] for place, row in enumerate(table_rows(36))]
    path = write_table(tmp_path / "classes.csv", rows)
    splits = _table(path, exclude=["age", "city", "code"]).load()
    assert splits.num_classes == len(classes)
    numbers = torch.cat([part.inputs[:, 0] for part in _parts(splits)]).argsort()
    targets = torch.cat([part.targets for part in _parts(splits)])[numbers]

    def number(value: str) -> int:
        return classes.index(float(value) if isinstance(classes[0], int) else value)

    assert targets.tolist() == [number(values[place % 3]) for place in range(36)]


def test_missing_values_are_imputed_from_training_rows_and_said(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = table_rows()
    for row, column in ((3, 1), (8, 1), (5, 2)):
        rows[row][column] = ""
    rows[6][2] = " ?"
    write_table(path, rows)
    with pytest.raises(DataError, match=r"row 5: no age; dataset.missing=impute"):
        _table(path).load()
    with caplog.at_level("INFO"):
        splits = _table(path, missing="impute").load()
    assert [record.getMessage().rpartition("people.csv: ")[2] for record in caplog.records] == [
        "imputed 2 values of age",
        "imputed 2 values of city",
    ]
    everyone = torch.cat([part.inputs for part in _parts(splits)])
    assert int((everyone[:, 0] == 0).sum()) == 2, "a missing age is the mean, 0 when standardised"
    assert torch.equal(everyone[:, 2:].sum(1), torch.ones(40))


def _rows(*changes: tuple[int, int, str]) -> list[list[str]]:
    rows = table_rows()
    for row, column, value in changes:
        rows[row][column] = value
    return rows


def _text(rows: list[list[str]]) -> str:
    return "".join(",".join(line) + "\n" for line in [COLUMNS, *rows])


BAD: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "No columns to parse from file"),
    "names only": (",".join(COLUMNS) + "\n", "0 classes, 2 or more expected"),
    "one class": (_text(table_rows()[::2]), "1 classes, 2 or more expected"),
    "a class of two rows": (_text(_rows((0, 4, "c"), (1, 4, "c"))), "2 rows with target=c, 3 or"),
    "no target in a row": (_text(_rows((2, 4, ""))), "row 4: no target"),
    "numbers of a regression": (
        _text([[*row[:4], f"{place}.5"] for place, row in enumerate(table_rows())]),
        "row 2: target is no whole number; classes are, or texts; a number to predict needs "
        "dataset.numeric_target=true",
    ),
    "too many cells": (_text([*table_rows(), ["1"] * 6]), "Expected 5 fields in line 42, saw 6"),
    "too few cells": (_text([*table_rows(), ["1", "2"]]), "row 42: no target"),
    "two columns of a name": ("a,a,target\n1,2,x\n", "row 1: two columns are named 'a'"),
    "a column without a name": ("a,,target\n1,2,x\n", "row 1: column 2 has no name"),
    "no such column": ("number,age\n1,2\n", "row 1: no column 'target' among number, age"),
    "nothing but the target": ("number,target\n1,x\n", "row 1: no column is left for the inputs"),
    "infinite": (_text(_rows((5, 1, "inf"))), "row 7: age is too large: 1e+100 at most"),
    "too large": (_text(_rows((5, 1, "-1e101"))), "row 7: age is too large: 1e+100 at most"),
    "latin-1": ("number,target\n1,ö\n".encode("latin-1"), "row 2: not UTF-8"),
    "too many texts": (
        _text([[str(n), f"age {n}", "x", "1", "ab"[n % 2]] for n in range(2000)]),
        "1400 different texts in age, at most 1000 expected; dataset.exclude=[age] leaves it out",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content, line = BAD[name]
    path = tmp_path / "people.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as raised:
        _table(path).load()
    assert str(raised.value).startswith(f"{path}: ")
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_column_without_a_training_value_is_refused(tmp_path: Path) -> None:
    rows = [[*row[:1], "", *row[2:]] for row in table_rows()]
    path = write_table(tmp_path / "people.csv", rows)
    with pytest.raises(DataError, match="no training row has a value of age"):
        _table(path, missing="impute").load()


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["dataset.file=nowhere.csv"], "dataset: nowhere.csv: No such file or directory"),
        (["dataset.file=data"], "dataset: data: Is a directory"),
        (["dataset.file=null"], "dataset.file=null: a text"),
        (["dataset.target=kind"], "row 1: no column 'kind' among number, age, city, code, target"),
        (["dataset.target=3"], "dataset.target=3: a text"),
        (["dataset.categorical=code"], "dataset.categorical=code: a list of texts"),
        (["dataset.exclude=[1]"], "dataset.exclude=[1]: a list of texts"),
        (["dataset.missing=drop"], "dataset.missing=drop: one of error, impute"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_mistakes_are_one_line_and_write_nothing(
    lottery: Lottery, folder: Path, overrides: list[str], line: str
) -> None:
    write_table(folder / "data" / "table.csv")
    before = snapshot(folder)
    done = lottery(*RUN, *TINY, "dataset.root=data", *overrides)
    assert done.code == 2
    assert line in done.err.splitlines()[-1]
    assert "Traceback" not in done.err
    assert snapshot(folder) == before


def test_a_run_learns_and_its_ticket_verifies_where_the_table_has_moved(
    lottery: Lottery, folder: Path, ticket: Callable[..., Done]
) -> None:
    path = write_table(folder / "here" / "people.csv", table_rows(400))
    longer = ("iterations=100", "optimizer.lr=0.01", "logger=none")
    run = lottery(*RUN, *TINY, f"dataset.file={path}", *longer).run
    assert (load_run(run).results["test"] > 0.9).all()
    moved = path.rename(folder / "people.csv")
    assert ticket(run, "--data", moved).code == 0
    again = lottery(*RUN, *TINY, f"dataset.file={moved}", *longer, "rounds=2")
    assert again.run == run, "a file is known by its name"
    moved.write_text(moved.read_text().replace("Bern", "Berne"))
    changed = lottery(*RUN, *TINY, f"dataset.file={moved}", *longer, "rounds=3")
    assert changed.code == 2
    assert "began with other content of people.csv" in changed.err.splitlines()[-1]


def test_a_text_among_numbers_is_said(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_table(path, _rows((5, 1, "forty")))
    _table(path).load()
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        f"{path}: row 7: age is 'forty', no number: age is taken as texts, one input for each; "
        "dataset.categorical=[age] if this is right"
    )
    caplog.clear()
    _table(path, categorical=["age"]).load()
    assert not caplog.records

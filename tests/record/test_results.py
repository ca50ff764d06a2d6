"""The record of a run: what is stored, the tables made from it, and the winning ticket."""

import json
from pathlib import Path

import pandas as pd
import pytest

from lottery.record.results import (
    COLUMNS,
    Record,
    Row,
    best_round,
    format_table,
    read_records,
    winning_round,
    write_record,
    write_tables,
)
from lottery.record.run_dir import RunDir

CONTRACT = (
    "round,remaining,ES,val,test,val_loss,val_f1,val_precision,val_recall,f1,precision,recall,"
    "val_last,test_last,steps,remaining_all,params,params_remaining"
)


def _row(number: int, remaining: float = 1.0, val: float = 0.5, test: float = 0.5) -> Row:
    row = dict.fromkeys(COLUMNS, 0) | {"round": number, "remaining": remaining}
    return row | {"val": val, "test": test, "test_last": 0.25, "ES": 10 * number}


def _record(number: int, row: Row | None = None) -> Record:
    history = [
        {"round": number, "iteration": step, "split": "val", "loss": 1 / 3, "accuracy": 0.5}
        for step in (10, 20)
    ]
    return {
        "row": row or _row(number),
        "layers": {"fc1.weight": {"weights": 8, "remaining": 8 - number, "live_zeros": 0}},
        "checks": {"pruned_max": 0.0},
        "history": history,
        "timing": {"round": number, "train_seconds": 1.5},
    }


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "seed_0")


def test_the_columns_begin_as_the_contract_says() -> None:
    assert ",".join(COLUMNS).startswith(CONTRACT)
    assert len(set(COLUMNS)) == len(COLUMNS)


def test_a_record_makes_its_round_finished(run: RunDir) -> None:
    assert not run.round(3).finished
    write_record(run, _record(3))
    assert run.round(3).finished
    assert run.finished_rounds() == [3]
    assert read_records(run) == [_record(3)]


@pytest.mark.parametrize(
    "row",
    [
        {name: 0 for name in COLUMNS if name != "test_last"},
        {**_row(0), "extra": 0},
        dict(reversed(_row(0).items())),
    ],
    ids=["missing", "extra", "another order"],
)
def test_a_row_with_other_columns_is_refused(run: RunDir, row: Row) -> None:
    with pytest.raises(ValueError, match="a row has the columns"):
        write_record(run, _record(0, row))
    assert not run.round(0).finished


def test_a_record_with_nan_is_refused(run: RunDir) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(run, _record(0, {**_row(0), "val_loss": float("nan")}))
    assert not run.round(0).finished


def test_records_are_read_by_number(run: RunDir) -> None:
    for number in (100, 2, 11, 0):  # folders in the order of names: 00, 02, 100, 11
        write_record(run, _record(number))
    assert [record["row"]["round"] for record in read_records(run)] == [0, 2, 11, 100]


TIMES = (
    "round,train_seconds,steps_per_second,inference_ms,inference_csr_ms,peak_memory_mb\n",
    *("0,1.5,,,,\n", "1,1.5,,,,\n"),
)


def test_tables_from_records(run: RunDir) -> None:
    for number in (1, 0):
        write_record(run, _record(number, _row(number, remaining=0.1 + 0.2, val=2 / 3)))
    write_tables(run)
    results = run.results_csv.read_text().splitlines()
    assert results[0] == ",".join(COLUMNS)
    assert results[1].startswith("0,0.30000000000000004,0,0.6666666666666666,0.5,")
    assert results[2].startswith("1,0.30000000000000004,10,0.6666666666666666,0.5,")
    assert run.history_csv.read_text().splitlines() == [
        "round,iteration,split,loss,accuracy",
        "0,10,val,0.3333333333333333,0.5",
        "0,20,val,0.3333333333333333,0.5",
        "1,10,val,0.3333333333333333,0.5",
        "1,20,val,0.3333333333333333,0.5",
    ]
    assert run.timing_csv.read_text() == "".join(TIMES)
    rounds = json.loads(run.results_json.read_text())["rounds"]
    assert [entry["row"]["round"] for entry in rounds] == [0, 1]
    assert rounds[1]["layers"]["fc1.weight"]["remaining"] == 7
    assert rounds[1]["checks"] == {"pruned_max": 0.0}


def test_tables_made_again_are_the_same_bytes_and_leave_nothing_else(run: RunDir) -> None:
    write_record(run, _record(0))
    write_tables(run)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    write_tables(run)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_tables_of_a_run_in_its_first_round_are_empty_but_readable(run: RunDir) -> None:
    """Reports are made from running runs too."""
    write_tables(run)
    assert pd.read_csv(run.results_csv).empty
    assert list(pd.read_csv(run.results_csv).columns) == list(COLUMNS)
    assert list(pd.read_csv(run.history_csv).columns) == [
        *("round", "iteration", "split", "loss", "accuracy")
    ]


@pytest.mark.parametrize(
    ("rows", "winner"),
    [
        ([], None),
        ([_row(0, 1.0, 0.9)], None),  # the dense network is no ticket
        ([_row(0, 1.0, 0.99), _row(1, 0.8, 0.5)], 1),
        ([_row(0), _row(1, 0.8, 0.7), _row(2, 0.64, 0.8), _row(3, 0.5, 0.6)], 2),
        ([_row(0), _row(1, 0.8, 0.8), _row(2, 0.64, 0.8), _row(3, 0.5, 0.6)], 2),  # a tie
        ([_row(0), _row(2, 0.64, 0.8), _row(1, 0.8, 0.8)], 2),  # in any order
        ([_row(0), _row(7, 0.5, 0.8), _row(15, 0.6, 0.8)], 7),  # the sparsest, not the last
        ([_row(1, 0.8, 0.7, test=0.9), _row(2, 0.64, 0.8, test=0.1)], 2),  # test has no say
    ],
)
def test_winning_round(rows: list[Row], winner: int | None) -> None:
    assert winning_round(rows) == winner


@pytest.mark.parametrize(
    ("val", "best"),
    [
        ({1: (0.1 + 0.2) / 3, 2: 0.3 / 3}, 2),  # equal but for the last bit
        ({0: 0.99, 1: 0.95 + 2e-16, 2: 0.8, 3: 0.95}, 3),
        ({1: 0.9990234375, 2: 0.9990234375 - 2e-16, 3: 0.9}, 2),  # a 5 at the tenth decimal
        ({1: 0.95000001, 2: 0.95}, 1),  # one example in a hundred million is no tie
    ],
)
def test_means_that_differ_in_their_last_bits_are_ties(val: dict[int, float], best: int) -> None:
    remaining = {0: 1.0, 1: 0.8, 2: 0.64, 3: 0.51}
    assert best_round(val, remaining) == best
    assert winning_round([_row(n, remaining[n], v) for n, v in val.items()]) == best


def test_the_table_shows_percent_and_marks_the_winner() -> None:
    table = format_table([_row(0), _row(1, 0.5128, 0.98123, 0.97), _row(2, 0.41, 0.5)])
    lines = [line.split() for line in table.splitlines()]
    assert lines[1] == ["0", "100.00", "0", "50.00", "50.00", "25.00"]
    assert lines[2] == ["1", "51.28", "10", "98.12", "97.00", "25.00", "winning", "round"]
    assert lines[3] == ["2", "41.00", "20", "50.00", "50.00", "25.00"]

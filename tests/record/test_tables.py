"""The tables of a run: made from its records, and from those of older runs with fewer columns."""

import json
from pathlib import Path

import pandas as pd
import pytest

from lottery.record import tables
from lottery.record.opened_run import OpenedRun
from lottery.record.records import write_record
from lottery.record.run_dir import RunDir
from lottery.record.schema import COLUMNS, Row
from lottery.record.tables import tables_are_current, write_tables
from tests.helpers.toy_rows import toy_record, toy_row


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "seed_0")


TIMES = (
    "round,train_seconds,steps_per_second,inference_ms,inference_csr_ms,peak_memory_mb\n",
    "0,1.5,20.0,0.25,,\n",
    "1,1.5,20.0,0.25,,\n",
)


def test_tables_from_records(run: RunDir) -> None:
    for number in (1, 0):
        row = toy_row(number, remaining=0.1 + 0.2, val=2 / 3)
        write_record(run, toy_record(number, row))
    write_tables(OpenedRun(run))
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
    write_record(run, toy_record(0))
    write_tables(OpenedRun(run))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    write_tables(OpenedRun(run))
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_tables_of_a_run_in_its_first_round_are_empty_but_readable(run: RunDir) -> None:
    """Reports are made from running runs too."""
    write_tables(OpenedRun(run))
    assert pd.read_csv(run.results_csv).empty
    assert list(pd.read_csv(run.results_csv).columns) == list(COLUMNS)
    columns = ["round", "iteration", "split", "loss", "accuracy"]
    assert list(pd.read_csv(run.history_csv).columns) == columns


@pytest.mark.parametrize("place", [4, len(COLUMNS)], ids=["in the middle", "at the end"])
def test_a_column_added_later_does_not_make_an_older_run_look_damaged(
    run: RunDir, place: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (0, 1):
        write_record(run, toy_record(number))
    write_tables(OpenedRun(run))
    older = run.results_csv.read_text()
    columns = (*COLUMNS[:place], "new", *COLUMNS[place:])
    monkeypatch.setattr(tables, "COLUMNS", columns)
    assert tables_are_current(OpenedRun(run))
    row: Row = dict.fromkeys(columns, 7) | {"round": 2}  # type: ignore[assignment]
    write_record(run, toy_record(2, row))
    assert not tables_are_current(OpenedRun(run))
    write_tables(OpenedRun(run))
    assert caplog.text == ""
    assert (
        run.results_csv.read_text() == older + ",".join(["2", *["7"] * (len(COLUMNS) - 1)]) + "\n"
    )
    rounds = json.loads(run.results_json.read_text())["rounds"]
    assert ["new" in entry["row"] for entry in rounds] == [False, False, True]

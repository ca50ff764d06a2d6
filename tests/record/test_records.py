"""run.json and the records of rounds: what is stored, and what is refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from lottery.record.files import DamagedFile, json_digest, read_json, write_json
from lottery.record.opened_run import OpenedRun
from lottery.record.records import (
    read_record,
    read_run_json,
    write_record,
    write_run_json,
)
from lottery.record.run_dir import RunDir
from lottery.record.schema import COLUMNS
from tests.helpers.toy_rows import toy_record, toy_row

CONTRACT = (
    "round,remaining,ES,val,test,val_loss,val_f1,val_precision,val_recall,f1,precision,recall,"
    "val_last,test_last,steps,remaining_all,params,params_remaining"
)
RUN: Any = {
    "name": "digits-tiny",
    "key": "12345678",
    "seed": 3,
    "status": "running",
    "message": "",
    "rounds": [0, 1],
    "config": {},
    "digests": {},
    "input_shape": [1, 8, 8],
    "num_classes": 10,
    "versions": {},
    "git_commit": None,
    "machine": {},
}


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "seed_0")


def test_the_columns_begin_as_the_contract_says() -> None:
    assert ",".join(COLUMNS).startswith(CONTRACT)
    assert len(set(COLUMNS)) == len(COLUMNS)


def test_a_record_makes_its_round_finished(run: RunDir) -> None:
    assert not run.round(3).finished
    write_record(run, toy_record(3))
    assert run.round(3).finished
    assert run.finished_rounds() == [3]
    (record,) = OpenedRun(run).records
    assert record.pop("links") == {"run": None, "digests": {}, "before": None, "files": {}}
    assert record == toy_record(3)


def test_a_record_with_nan_is_refused(run: RunDir) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(run, toy_record(0, {**toy_row(0), "val_loss": float("nan")}))
    assert not run.round(0).finished


def test_records_are_read_by_number(run: RunDir) -> None:
    for number in (100, 2, 11, 0):  # folders in the order of names: 00, 02, 100, 11
        write_record(run, toy_record(number))
    assert [record["row"]["round"] for record in OpenedRun(run).records] == [0, 2, 11, 100]


def test_files_say_their_format_and_those_of_version_0_1_need_not(run: RunDir) -> None:
    write_run_json(run, RUN)
    assert read_json(run.run_json)["format"] == 3
    write_json(run.run_json, RUN)
    assert read_run_json(run) == RUN
    write_record(run, toy_record(1))
    assert read_json(run.round(1).record)["format"] == 3
    old = toy_record(1)
    write_json(run.round(1).record, {**old, "digest": json_digest(old)})
    assert read_record(run.round(1)) == old


def test_a_later_format_is_refused_by_name(run: RunDir) -> None:
    write_json(run.run_json, {**RUN, "format": 4})
    with pytest.raises(DamagedFile, match=r"run.json: format 4, at most 3 expected; it is of a"):
        read_run_json(run)
    entry = {"format": 4, **toy_record(1)}
    write_json(run.round(1).record, {**entry, "digest": json_digest(entry)})
    with pytest.raises(DamagedFile, match=r"round.json: format 4, at most 3 expected"):
        read_record(run.round(1))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"row": []}, "row is a list, an object expected"),
        ({"row": {**toy_row(1), "val": "x"}}, "row.val is 'x', a number or null expected"),
        ({"row": {**toy_row(1), "test": None}}, "row.test is null, a number expected"),
        ({"row": {"round": 1}}, "row.ES is missing"),
        ({"row": toy_row(2)}, "it is the record of round 2"),
        ({"layers": None}, "layers is null, an object expected"),
        ({"layers": {"w": {"weights": 1}}}, "layers.w.live_zeros is missing"),
        ({"history": {}}, "history is an object, a list expected"),
        ({"history": [[]]}, "history[0] is a list, an object expected"),
        ({"timing": 1}, "timing is 1, an object expected"),
        ({"early_bird": {"epsilon": 0.1, "step": 1}}, "early_bird.distances is missing"),
        ({"format": "new"}, "format is 'new', a whole number expected"),
        ({"format": 2}, "digest is missing"),
        ({"format": 3, "digest": "ab"}, "links is missing"),
        ({"digest": 3}, "digest is 3, a text expected"),
        ({"digest": "ab"}, "its digest is another"),
    ],
    ids=str,
)
def test_a_record_of_another_shape_is_named(
    run: RunDir, change: dict[str, Any], fault: str
) -> None:
    path = run.round(1).record
    write_json(path, {**toy_record(1), **change})
    line = f"{path}: damaged: {fault}; remove it to do round 1 again"
    with pytest.raises(DamagedFile, match=f"^{re.escape(line)}$"):
        read_record(run.round(1))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"config": []}, "config is a list, an object expected"),
        ({"seed": "0"}, "seed is '0', a whole number expected"),
        ({"rounds": [0, "1"]}, "rounds[1] is '1', a whole number expected"),
        ({"digests": {"data": 3}}, "digests.data is 3, a text expected"),
        ({"input_shape": None}, "input_shape is null, a list expected"),
    ],
    ids=str,
)
def test_a_run_json_of_another_shape_is_named(
    run: RunDir, change: dict[str, Any], fault: str
) -> None:
    write_json(run.run_json, {**RUN, **change})
    with pytest.raises(DamagedFile, match=re.escape(f"run.json: damaged: {fault}; remove it, ")):
        read_run_json(run)


def test_who_asks_for_a_missing_entry_is_told_the_file(run: RunDir) -> None:
    write_run_json(run, RUN)
    write_record(run, toy_record(1))
    with pytest.raises(DamagedFile, match=r"run.json: damaged: config has no 'iterations'; rem"):
        read_run_json(run)["config"]["iterations"]
    with pytest.raises(DamagedFile, match=r"round.json: damaged: checks has no 'rewind_step'"):
        read_record(run.round(1))["checks"]["rewind_step"]

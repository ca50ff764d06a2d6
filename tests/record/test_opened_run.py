"""A run that a command has opened: each of its files is read once."""

from pathlib import Path

import pytest

from lottery.errors import LotteryError, NoRun
from lottery.record.files import DamagedFile, read_json, write_json
from lottery.record.opened_run import open_run
from lottery.record.run_dir import RunDir
from tests.helpers.toy_records import write_run


def test_what_was_read_stays_as_it_was(tmp_path: Path) -> None:
    path = write_run(tmp_path / "seed_0", tests=[0.95, 0.97, 0.96])
    run = open_run(path)
    assert run.run_json["status"] == "finished"
    assert [row["round"] for row in run.rows] == [0, 1, 2]
    write_json(path / "run.json", read_json(path / "run.json") | {"status": "running"})
    for number in range(3):
        RunDir(path).round(number).record.unlink()
    assert run.run_json["status"] == "finished"
    assert [row["round"] for row in run.rows] == [0, 1, 2]
    assert open_run(path).run_json["status"] == "running"
    assert open_run(path).rows == []


def test_one_damaged_record_hides_no_other(tmp_path: Path) -> None:
    path = write_run(tmp_path / "seed_0", tests=[0.95, 0.97, 0.96])
    RunDir(path).round(1).record.write_text("{")
    run = open_run(path)
    assert run.record(2)["row"]["round"] == 2
    with pytest.raises(DamagedFile, match="do round 1 again"):
        _ = run.rows


def test_the_winning_round_is_that_of_the_rows(tmp_path: Path) -> None:
    path = write_run(tmp_path / "seed_0", tests=[0.95, 0.97, 0.96])
    assert open_run(path).winning_round == 1
    assert open_run(write_run(tmp_path / "dense" / "seed_0", tests=[0.95])).winning_round is None


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoRun, match=f"^{tmp_path}: not the folder of a run") as refused:
        open_run(tmp_path)
    assert isinstance(refused.value, LotteryError)
    assert isinstance(refused.value, FileNotFoundError)


@pytest.mark.parametrize("name", ["../../elsewhere", "/tmp/elsewhere", "..", "", "a/b"])
def test_a_name_that_is_a_path_is_damage(tmp_path: Path, name: str) -> None:
    """Other commands name files by it."""
    path = write_run(tmp_path / "seed_0", tests=[0.95])
    write_json(path / "run.json", read_json(path / "run.json") | {"name": name})
    with pytest.raises(DamagedFile, match=r"run\.json: damaged: the name .* is no folder's"):
        _ = open_run(path).name

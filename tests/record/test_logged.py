"""logged.json: ids that last, and rounds that were logged."""

from pathlib import Path

import pytest

from lottery.record.files import DamagedFile, write_json
from lottery.record.logged import Logged
from lottery.record.run_dir import RunDir


def test_an_id_is_drawn_once_and_is_another_for_each_run(tmp_path: Path) -> None:
    logged, other = Logged(RunDir(tmp_path / "a")), Logged(RunDir(tmp_path / "b"))
    first = logged.id_of("round_00")
    assert first == Logged(RunDir(tmp_path / "a")).id_of("round_00")
    assert first.endswith("-round_00")
    assert other.id_of("round_00") != first


def test_rounds_are_noted_by_logger(tmp_path: Path) -> None:
    logged = Logged(RunDir(tmp_path))
    assert logged.rounds_of("csv") == []
    logged.note_rounds("csv", [1, 0])
    assert logged.rounds_of("csv") == [0, 1]
    assert logged.rounds_of("mlflow") == []
    logged.note_rounds("mlflow", [0])
    logged.note_run("mlflow", "a server's id")  # another run, which shows nothing yet
    assert (logged.run_of("mlflow"), logged.rounds_of("mlflow")) == ("a server's id", [])


def test_an_id_that_would_lead_elsewhere_is_damage(tmp_path: Path) -> None:
    write_json(tmp_path / "logged.json", {"id": "/../../x", "runs": {}, "rounds": {}})
    with pytest.raises(DamagedFile, match=r"logged.json: .*remove it"):
        Logged(RunDir(tmp_path)).id_of("round_00")

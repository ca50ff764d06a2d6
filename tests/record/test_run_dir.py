"""The names of a run's files, and the runs below a folder."""

from pathlib import Path

from lottery.record.files import write_json
from lottery.record.run_dir import RunDir, runs_below


def test_rounds_are_finished_by_their_record(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert run.finished_rounds() == []
    run.round(0).path.mkdir(parents=True)
    run.round(0).final.touch()  # trained, but no record yet
    assert run.finished_rounds() == []
    for number in (100, 0, 11, 2):  # folders in the order of names: 00, 02, 100, 11
        write_json(run.round(number).record, {})
    assert run.finished_rounds() == [0, 2, 11, 100]
    assert run.round(2).path.name == "02"


def test_runs_below_a_folder_by_path_and_none_inside_a_run(tmp_path: Path) -> None:
    for name in ("b/seed_1", "b/seed_0", "a", "a/rounds/00", "c"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("b/seed_1", "b/seed_0", "a", "a/rounds/00"):
        (tmp_path / name / "run.json").write_text("{}")
    runs = ["a", "b/seed_0", "b/seed_1"]
    assert runs_below(tmp_path) == [tmp_path / name for name in runs]
    assert runs_below(tmp_path / "a") == [tmp_path / "a"]
    assert runs_below(tmp_path / "c") == runs_below(tmp_path / "nowhere") == []

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


def test_what_a_killed_process_leaves_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = [
        ".lock",
        ".owner.json",  # its owner may be at work
        ".hydra/config.yaml",
        "notes.part",
        "rounds/00/.tmpfile",
        "rounds/00/round.json",
        "rounds/00/masks.safetensors",
        "rounds/01/checkpoint.pt",  # of the running round
        "stability/step_0/.pair.json.part",  # another command is at work there
    ]
    left = [
        ".run.json.part",
        ".ticket.17.part/es.safetensors",
        ".hydra/.config.yaml.part",
        "figures/.accuracy.png.part",
        "rounds/00/.masks.safetensors.part",
        "rounds/00/.tmpAb3dE9",
        "rounds/00/checkpoint.pt",
        "rounds/01/.tmpAb3dE9",
        "tensorboard/.part/events",
    ]
    for name in (*kept, *left):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    RunDir(tmp_path).remove_leftovers()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == sorted(tmp_path / name for name in kept)
    assert not (tmp_path / "tensorboard/.part").exists()


def test_runs_below_a_folder_by_path_and_none_inside_a_run(tmp_path: Path) -> None:
    for name in ("b/seed_1", "b/seed_0", "a", "a/rounds/00", "c"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("b/seed_1", "b/seed_0", "a", "a/rounds/00"):
        (tmp_path / name / "run.json").write_text("{}")
    runs = ["a", "b/seed_0", "b/seed_1"]
    assert runs_below(tmp_path) == [tmp_path / name for name in runs]
    assert runs_below(tmp_path / "a") == [tmp_path / "a"]
    assert runs_below(tmp_path / "c") == runs_below(tmp_path / "nowhere") == []

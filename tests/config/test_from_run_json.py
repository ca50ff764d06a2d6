"""A run made again from its run.json, in another folder than it was started in."""

from pathlib import Path
from typing import Any

import pytest

from lottery.config import ConfigError, prepare
from lottery.config.from_run_json import rebuild_settings
from lottery.record.records import read_run_json
from lottery.record.run_dir import RunDir
from lottery.runs.lifecycle import check_same_run, is_complete
from tests.conftest import Lottery
from tests.helpers.toy_image_folders import write_images


def test_the_settings_are_those_of_the_run(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(folder / "pets")
    images = ("dataset=image_folder", "dataset.folder=pets", "dataset.image_size=[28,28]")
    run = lottery(*images, "rounds=1", "iterations=4", "dataset.batch_size=4").run
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = rebuild_settings(read_run_json(RunDir(run)))
    experiment = prepare(settings, run)
    check_same_run(experiment)
    assert is_complete(experiment)
    assert settings["dataset"]["folder"] == str(folder / "pets")


def test_single_values_can_be_changed() -> None:
    settings: dict[str, Any] = {"dataset": {"root": "/a", "batch_size": 60}, "seed": 1}
    changed = rebuild_settings({"settings": settings}, dataset={"root": "/b"})
    assert changed["seed"] == 1
    assert changed["dataset"].items() >= {"root": "/b", "batch_size": 60}.items()
    assert settings["dataset"]["root"] == "/a"


def test_options_added_since_are_at_what_was_before_them() -> None:
    settings: dict[str, Any] = {"dataset": {"limit": 5}, "seed": 1}
    rebuilt = rebuild_settings({"settings": settings})
    assert rebuilt["early_bird"] == {"epsilon": None}
    dataset = rebuilt["dataset"]
    assert dataset == {"limit": 5, "subsample": 1, "random_labels": 0, "shuffle_pixels": False}


def test_a_run_of_an_older_version_is_told_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"remove it, and the command"):
        rebuild_settings({})

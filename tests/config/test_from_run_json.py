"""A run made again from its run.json, in another folder than it was started in."""

from pathlib import Path
from typing import Any

import pytest

from lottery.config import ConfigError, prepare
from lottery.config.from_run_json import rebuild_network, settings_of_run
from lottery.config.run_key import ADDED_LATER
from lottery.config.settings import read_settings
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.runs.lifecycle import is_complete
from lottery.runs.run_json import check_same_run
from tests.conftest import TINY, Lottery
from tests.helpers.experiments import composed
from tests.helpers.toy_image_folders import write_images


def _stored(settings: dict[str, Any] | None) -> OpenedRun:
    """Return a run whose run.json has these settings; an older version keeps none."""
    run = OpenedRun(RunDir(Path("run")))
    entry: Any = {"config": read_settings(composed()).canonical, "seed": 0}
    vars(run)["run_json"] = entry | ({"settings": settings} if settings else {})
    return run


def test_the_settings_are_those_of_the_run(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(folder / "pets")
    images = ("dataset=image_folder", "dataset.folder=pets", "dataset.image_size=[28,28]")
    run = lottery(*images, "rounds=1", "iterations=4", "dataset.batch_size=4").run
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    opened = OpenedRun(RunDir(run))
    settings = settings_of_run(opened, trust_code=False)
    experiment = prepare(settings.config, run)
    check_same_run(experiment, opened)
    assert is_complete(experiment, opened)
    assert settings.dataset.node["folder"] == str(folder / "pets")


def test_single_values_can_be_changed() -> None:
    config = composed()
    changed = settings_of_run(_stored(config), trust_code=False, dataset={"root": "/b"})
    assert (changed.dataset.root, changed.dataset.batch_size) == ("/b", 60)
    assert (changed.logger, changed.seed) == ({}, 0)
    assert config["dataset"]["root"] == "data"


def test_options_added_since_are_at_what_was_before_them() -> None:
    groups = ("early_bird", "metrics", "task", "dynamic")  # added whole
    old = {key: value for key, value in composed().items() if key not in groups}
    for key in ADDED_LATER:
        group, _, name = key.partition(".")
        if group not in groups:
            old[group] = {key: value for key, value in old[group].items() if key != name}
    settings = settings_of_run(_stored(old), trust_code=False)
    assert settings.early_bird.epsilon is None
    assert (settings.pruning.at, settings.pruning.units) == ("trained", "none")
    dataset = settings.dataset
    assert (dataset.limit, dataset.subsample, dataset.random_labels) == (None, 1, 0)
    assert not dataset.shuffle_pixels
    assert settings.key == read_settings(composed()).key


def test_a_run_of_an_older_version_is_told_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"remove it, and the command"):
        settings_of_run(_stored(None), trust_code=False)


def test_a_network_is_rebuilt_from_a_run_that_did_not_keep_all_settings(lottery: Lottery) -> None:
    run = OpenedRun(RunDir(lottery(*TINY, "rounds=0").run))
    del run.run_json["settings"]
    assert rebuild_network(run, trust_code=False).fc1.weight.shape == (300, 64)

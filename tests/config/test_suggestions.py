"""A word that is no key, option or value is answered with the nearest one, if one is close."""

import re
from pathlib import Path

import pytest

from lottery.config.compose import compose_run
from lottery.config.known_keys import known_keys, suggest_key
from lottery.config.overrides import as_overrides
from lottery.config.settings import check_names, read_settings
from lottery.config.targets import load_target
from lottery.errors import ConfigError, NoRun
from lottery.record.opened_run import open_run
from tests.conftest import Lottery, snapshot
from tests.helpers.toy_records import TRUNK, write_run

CALL = "`lottery --cfg job` prints all"


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("prunning.rate=0.2", "prunning.rate=0.2: no such key; did you mean pruning.rate?"),
        ("optimiser=adam", "optimiser=adam: no such key; did you mean optimizer?"),
        (
            "optimizer=adm",
            "optimizer=adm: no such option; did you mean adam?; `lottery --help` lists them",
        ),
        ("scope=qqq", "scope=qqq: no such option; balanced, erk, global, layerwise"),
        ("lr=0.1", "lr=0.1: no such key; did you mean optimizer.lr?"),
        ("model.width=3", "model.width=3: no such key; +model.width if the class in model._targ"),
        ("~pruning.rte", "~pruning.rte: no such key; did you mean pruning.rate?"),
        ("hydra.run.dirr=x", "hydra.run.dirr=x: no such key; `lottery --cfg hydra` prints all of"),
        ("epochs=3", f"epochs=3: no such key; {CALL}"),
    ],
)
def test_what_hydra_cannot_compose(word: str, line: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(line)):
        compose_run([word])


def test_what_hydra_adds(folder: Path) -> None:
    """Typed with a plus, or as a dict in Python."""
    for key, near in (("lr", "optimizer.lr"), ("experimnt", "experiment")):
        with pytest.raises(ConfigError, match=f"{key}=1: no such key; did you mean {near}"):
            check_names({key: 1})
    config = compose_run(as_overrides([{"trainer.devics": 2}])).config
    with pytest.raises(ConfigError, match=r"devics=2: no such key; did you mean trainer\.devices"):
        read_settings(config)


def test_the_nearest_of_some_values_and_classes() -> None:
    config = compose_run(["keep=winer"]).config
    with pytest.raises(ConfigError, match=r"all, winner; did you mean winner\?"):
        read_settings(config)
    with pytest.raises(ConfigError, match=r"did you mean lottery\.pruning\.Snip\?"):
        load_target({"_target_": "lottery.pruning.Snipp"}, "criterion")


def test_every_key_that_is_suggested_can_be_typed() -> None:
    assert {"rounds", "pruning.rate", "optimizer.momentum", "reinit.to", "task"} <= known_keys()
    assert suggest_key("zzzzzz") == CALL


def test_a_flag_is_answered_in_one_line(lottery: Lottery, folder: Path) -> None:
    done = lottery("--cgf", "job")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: --cgf: no such option; did you mean --cfg?\n"
    assert snapshot(folder) == {}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rounds"], "rounds: a setting is written as KEY=VALUE"),
        (["rounds", "=", "3"], "=: a setting is written as KEY=VALUE, without spaces"),
        (["seed=[1"], "seed=[1: cannot be read; quote what has spaces, commas or brackets"),
        (["--rounds=4"], "--rounds: a setting is written without dashes: rounds=VALUE"),
        (["--dry-run"], "--dry-run: a setting is written without dashes: dry_run=VALUE"),
    ],
)
def test_what_is_no_setting_is_answered_in_one_line(
    words: list[str], line: str, lottery: Lottery, folder: Path
) -> None:
    done = lottery(*words)
    assert (done.code, done.out, done.err) == (2, "", f"error: {line}\n")
    assert snapshot(folder) == {}


def test_the_run_below_a_setting_or_beside_a_misspelt_folder(folder: Path) -> None:
    run = write_run(folder / TRUNK / "seed_3")
    for path, near in (
        (run.parent, run),
        (folder / TRUNK.replace("digits", "digit"), run.parent),
    ):
        with pytest.raises(NoRun, match=f"did you mean {near}?"):
            open_run(path)
    with pytest.raises(NoRun, match=r"no run\.json in it\)$"):
        open_run(folder / "nothing_like_it")

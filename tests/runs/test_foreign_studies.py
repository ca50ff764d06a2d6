"""A study's file that a stranger wrote, or that is damaged: nothing of it is run."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lottery.config.search_space import read_search_space
from lottery.errors import ConfigError
from lottery.record.files import DamagedFile
from lottery.record.score import ACCURACY
from lottery.runs.objectives import directed
from lottery.runs.study import Study, opened

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")

OBJECTIVES = directed(["val"], ACCURACY)
LR = "optimizer.lr=tag(log, interval(1e-4, 1e-1))"


def begin(path: Path, name: str, *choices: str, low: float = 1e-3, high: float = 1e-2) -> None:
    """Begin a trial, as a killed process leaves it."""
    value = optuna.distributions.FloatDistribution(low, high, log=True)
    if choices:
        value = optuna.distributions.CategoricalDistribution(choices)
    with opened(path, OBJECTIVES) as study:
        study.ask({name: value}).set_user_attr("run", "")


def unfinished(path: Path, override: str) -> list[list[str]]:
    """Return the overrides of the begun trials that a search would do, and check the others."""
    with opened(path, OBJECTIVES) as in_file:
        study = Study(
            objectives=OBJECTIVES,
            space=read_search_space([override], None),
            make_sampler=lambda number: optuna.samplers.TPESampler(seed=number),
            find_run=lambda overrides: "",
            optuna=in_file,
        )
        found = [proposal.overrides for proposal in study.unfinished()]
        assert [trial["state"] for trial in study.trials] == ["running" if found else "fail"]
    return found


def test_a_begun_trial_outside_of_the_interval_is_not_done(tmp_path: Path) -> None:
    begin(tmp_path / "toy.log", "optimizer.lr", low=0.2, high=0.3)
    assert unfinished(tmp_path / "toy.log", LR) == []


@pytest.mark.parametrize("value", ["{_target_: os.mkdir}", "0.01", None, True, [0.01], {}])
def test_a_begun_trial_with_another_type_is_not_done(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "toy.log"
    begin(path, "optimizer.lr")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if "param_value_internal" in line:
            line["param_value_internal"] = value
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert unfinished(path, LR) == []


def test_choices_are_those_of_the_search(tmp_path: Path) -> None:
    path, override = tmp_path / "toy.log", "model._target_=a.A,a.B"
    begin(path, "model._target_", "a.A", "a.C")
    with pytest.raises(ConfigError, match=r"model._target_: .* Choose another study"):
        unfinished(path, override)
    path.unlink()
    begin(path, "model._target_", "a.A", "a.B")
    assert unfinished(path, override) in ([["model._target_=a.A"]], [["model._target_=a.B"]])


@pytest.mark.parametrize(
    "line",
    ["[]", "{}", "3", "{", "[" * 100_000, '{"op_code": 99, "worker_id": "a"}', "\0"],
    ids=["list", "empty", "number", "half", "deep", "unknown", "zero"],
)
def test_a_damaged_study_is_one_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "toy.log"
    begin(path, "optimizer.lr")
    path.write_text(f"{path.read_text()}{line}\n")
    before = path.read_bytes()
    with pytest.raises(DamagedFile, match=r"toy.log: damaged: .*; remove it to begin again"):
        unfinished(path, LR)
    assert path.read_bytes().startswith(before)


def test_a_link_and_a_fifo_are_one_line(tmp_path: Path) -> None:
    path, other = tmp_path / "toy.log", tmp_path / "other.txt"
    other.write_text("no line break")
    path.symlink_to(other)
    with pytest.raises(DamagedFile, match=r"toy.log: damaged: it is a link"):
        unfinished(path, LR)
    assert other.read_text() == "no line break"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DamagedFile, match=r"toy.log: damaged: it is a fifo"):
        unfinished(path, LR)

"""A study's file that a stranger wrote, or that is damaged: nothing of it is run."""

import os
from pathlib import Path
from typing import Any

import pytest

from lottery.config.search_space import read_search_space
from lottery.record.files import DamagedFile
from lottery.record.score import ACCURACY
from lottery.runs.objectives import directed
from lottery.runs.study import Study, opened

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")

OBJECTIVES = directed(["val"], ACCURACY)
LR = "optimizer.lr=tag(log, interval(1e-4, 1e-1))"


def begin(path: Path, name: str, value: Any) -> None:
    """Begin a trial, as a killed process leaves it."""
    with opened(path, OBJECTIVES) as study:
        trial = study.ask({name: optuna.distributions.CategoricalDistribution([value])})
        trial.set_user_attr("run", "")


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


@pytest.mark.parametrize("value", ["{_target_: os.mkdir}", "os.mkdir", "0.01", 0.5, True, None])
def test_a_begun_trial_with_other_values_is_not_done(tmp_path: Path, value: Any) -> None:
    begin(tmp_path / "toy.log", "optimizer.lr", value)
    assert unfinished(tmp_path / "toy.log", LR) == []


@pytest.mark.parametrize(("value", "done"), [("a.A", [["model._target_=a.A"]]), ("a.C", [])])
def test_a_begun_trial_with_another_choice_is_not_done(
    tmp_path: Path, value: str, done: list[list[str]]
) -> None:
    begin(tmp_path / "toy.log", "model._target_", value)
    assert unfinished(tmp_path / "toy.log", "model._target_=a.A,a.B") == done


@pytest.mark.parametrize(
    "line",
    ["[]", "{}", "3", "{", "[" * 100_000, '{"op_code": 99, "worker_id": "a"}', "\0"],
    ids=["list", "empty", "number", "half", "deep", "unknown", "zero"],
)
def test_a_damaged_study_is_one_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "toy.log"
    begin(path, "optimizer.lr", "0.01")
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

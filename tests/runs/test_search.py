"""`hydra/sweeper=optuna`: what is searched, which way, and no trial lost or done twice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lottery.config import ConfigError
from lottery.config.search_space import SearchSpace, read_search_space
from lottery.record.schema import Row
from lottery.record.score import ACCURACY, Score
from lottery.record.study import StudyJson, read_study
from lottery.runs.objectives import check_objectives, directed
from lottery.runs.search import Search
from lottery.runs.study import Study, opened
from lottery.runs.sweep import Sweep
from tests.conftest import TINY, Lottery

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")

ROW = dict.fromkeys(Row.__required_keys__, 1) | {"remaining": 0.5}
RMSE = Score("RMSE", higher_is_better=False, is_share=False)
LR = "optimizer.lr=tag(log, interval(1e-4, 1e-1))"


@pytest.mark.parametrize(
    ("override", "kind", "attributes"),
    [
        ("a=interval(0.1,0.5)", "FloatDistribution", {"low": 0.1, "high": 0.5, "log": False}),
        (LR, "FloatDistribution", {"low": 1e-4, "high": 0.1, "log": True}),
        ("a=int(interval(1,8))", "IntDistribution", {"low": 1, "high": 8}),
        ("a=range(2,8,2)", "IntDistribution", {"low": 2, "high": 6, "step": 2}),
        ("a=range(0.1,0.45,0.1)", "FloatDistribution", {"low": 0.1, "high": 0.4, "step": 0.1}),
        ("a=layerwise,global", "CategoricalDistribution", {"choices": ("layerwise", "global")}),
        ("a=choice(0.1,0.2)", "CategoricalDistribution", {"choices": ("0.1", "0.2")}),
    ],
)
def test_sweeps_of_overrides_are_distributions(
    override: str, kind: str, attributes: dict[str, Any]
) -> None:
    space = read_search_space(["rounds=3", override], None)
    assert space.fixed == ["rounds=3"]
    (found,) = space.searched.values()
    assert type(found).__name__ == kind
    for name, value in attributes.items():
        assert getattr(found, name) == pytest.approx(value) if name != "choices" else True
    if "choices" in attributes:
        assert found.choices == attributes["choices"]


def test_numbers_are_used_with_four_digits_inside_their_interval() -> None:
    space = read_search_space(["a=interval(0.12344,0.5)", "b=x,y"], None)
    assert space.overrides({"a": 0.1876543, "b": "y"}) == ["a=0.1877", "b=y"]
    assert space.overrides({"a": 0.12344, "b": "y"})[0] == "a=0.12344"  # 0.1234 is below


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rounds=3"], "nothing varies"),
        (["seed=range(3)"], "luckiest seed"),
        (["a=tag(linear, interval(0,1))"], "accepted: log"),
        (["a=tag(log, interval(0,1))"], "a=tag(log, interval(0,1)): "),
        (["a=interval(2,1)"], "a=interval(2,1): "),
        (["a=interval(1,inf)"], "a=interval(1,inf): "),
        (["a=range(1,100000000000)"], "more than 100,000 values"),
        (["a=range(0.1,inf,0.1)"], "more than 100,000 values"),
        (["a=range(1,1)"], "an empty range"),
        (["a=range(0.1,1,0.0)"], "a=range(0.1,1,0.0): "),
    ],
)
def test_a_wrong_search_space_is_one_line(arguments: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=r".+") as error:
        read_search_space(arguments, None)
    assert words in str(error.value)


TEST_DATA = [["test"], ["val", "test_last"], ["f1"]]


@pytest.mark.parametrize(
    "objectives", [*TEST_DATA, ["val", "val"], [], [["val"]], [{"val": 1}], [None]]
)
def test_test_data_are_no_objective(objectives: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"hydra.sweeper.objectives=") as error:
        check_objectives(objectives)
    assert ("test data choose nothing" in str(error.value)) == (objectives in TEST_DATA)


def test_directions_follow_the_score() -> None:
    def directions(score: Score) -> list[str]:
        return [o.direction for o in directed(["val", "val_f1", "remaining"], score)]

    assert directions(ACCURACY) == ["maximize", "maximize", "minimize"]
    assert directions(RMSE) == ["minimize", "maximize", "minimize"]


@dataclass
class ToyLauncher:
    """Does jobs by a formula: `val` is highest at a learning rate of 0.01."""

    sweep: Sweep
    score: Score = ACCURACY
    killed_at: int | None = None  # the number of the call that does not return
    fails_at: int | None = None
    done: list[str] = field(default_factory=list)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> None:
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            if len(self.done) == self.killed_at:
                raise KeyboardInterrupt
            text = overrides[-1]
            self.done.append(text)
            distance = abs(math.log10(float(text.partition("=")[2])) + 2)
            val = distance if self.score == RMSE else 1 - distance
            failed = len(self.done) - 1 == self.fails_at
            job: Any = {
                "job": number,
                "overrides": list(overrides),
                "run": "",
                "status": "failed" if failed else "finished",
                "message": "",
                "row": None if failed else {**ROW, "val": val},
            }
            if self.score != ACCURACY:
                job["score"] = self.score.to_json()
            self.sweep.note(job)


def search(
    folder: Path, name: str, num_trials: int, override: str = LR, **changes: Any
) -> ToyLauncher:
    """Do a toy search as one command would."""
    space: SearchSpace = read_search_space([override], None)
    launcher = ToyLauncher(Sweep(folder / name), **changes)
    objectives = directed(["val"], launcher.score)
    path = folder / "studies" / "toy.log"
    with opened(path, objectives) as in_file:
        study = Study(
            objectives=objectives,
            space=space,
            make_sampler=lambda number: optuna.samplers.TPESampler(seed=number),
            find_run=lambda overrides: str(folder / "no run"),
            optuna=in_file,
        )
        Search(path, study, launcher.sweep, launcher, launcher.score).run(num_trials, at_once=2)  # type: ignore[arg-type]
    return launcher


def study_of(launcher: ToyLauncher) -> StudyJson:
    found = read_study(launcher.sweep.path)
    assert found is not None
    return found


@pytest.mark.parametrize("score", [ACCURACY, RMSE])
def test_the_best_trial_is_the_best_of_the_score(tmp_path: Path, score: Score) -> None:
    study = study_of(search(tmp_path, "sweep", 12, score=score))
    distances = [abs(math.log10(t["params"]["optimizer.lr"]) + 2) for t in study["trials"]]
    assert study["best"] == [distances.index(min(distances))]
    assert len(study["trials"]) == 12


def test_a_killed_search_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole", "sweep", 7)
    broken = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        search(broken, "first", 7, killed_at=3)
    log = broken / "studies/toy.log"
    log.write_bytes(log.read_bytes() + b'{"op_code":6,"wor')  # killed in the middle of a write
    second = search(broken, "second", 7)
    # the pair in which the kill came is done again; its first run is then found finished
    assert second.done == whole.done[2:]
    assert [t["params"] for t in study_of(second)["trials"]] == [
        t["params"] for t in study_of(whole)["trials"]
    ]
    assert study_of(second)["best"] == study_of(whole)["best"]
    jobs = second.sweep.jobs()
    assert [job["status"] for job in jobs] == ["finished"] * 7


def test_more_trials_go_on_and_finished_ones_are_not_done_twice(tmp_path: Path) -> None:
    assert len(search(tmp_path, "first", 3).done) == 3
    assert search(tmp_path, "again", 3).done == []
    assert len(search(tmp_path, "more", 5).done) == 2
    assert search(tmp_path, "fewer", 2).done == []


def test_a_study_goes_on_with_another_kind_of_values_only_under_another_name(
    tmp_path: Path,
) -> None:
    search(tmp_path, "first", 1)
    with pytest.raises(ConfigError, match=r"optimizer.lr: .* Choose another study"):
        search(tmp_path, "second", 2, override="optimizer.lr=1e-3,1e-2")
    assert len(search(tmp_path, "third", 2, override=LR.replace("1e-1", "1e-2")).done) == 1


def test_a_failed_trial_counts_for_this_command_only(tmp_path: Path) -> None:
    first = search(tmp_path, "first", 4, fails_at=1)
    assert [t["state"] for t in study_of(first)["trials"]].count("fail") == 1
    assert len(first.done) == 4
    assert len(search(tmp_path, "second", 4).done) == 1


def test_a_study_is_for_one_process_and_one_direction(tmp_path: Path) -> None:
    search(tmp_path, "first", 1)
    path = tmp_path / "studies/toy.log"
    with (
        opened(path, directed(["val"], ACCURACY)),
        pytest.raises(ConfigError, match="another process"),
    ):
        search(tmp_path, "second", 1)
    with pytest.raises(ConfigError, match="choose another study"):
        search(tmp_path, "third", 1, score=RMSE)


SEARCH = ("-m", "hydra/sweeper=optuna", *TINY, "logger=none", "optimizer.lr=interval(1e-3,1e-2)")


def test_a_search_on_digits_and_its_report(
    lottery: Lottery, monkeypatch: pytest.MonkeyPatch, no_pictures: None
) -> None:
    monkeypatch.delenv("LOTTERY_REPORT")
    two = ("hydra.sweeper.objectives=[val,remaining]", "pruning.rate=0.2,0.6")
    assert lottery(*SEARCH, *two, "hydra.sweeper.n_trials=2").code == 0
    done = lottery(*SEARCH, *two, "hydra.sweeper.n_trials=3")
    assert done.code == 0, done.err
    assert done.err.count("Launching") == 1
    study = read_study(done.run)
    assert study is not None
    assert [trial["state"] for trial in study["trials"]] == ["complete"] * 3
    for trial in study["trials"]:
        assert trial["values"] is not None
        kept = 1 - float(trial["params"]["pruning.rate"])
        assert trial["values"][1] == pytest.approx(kept, abs=0.01)
        assert (Path(trial["run"]) / "results.csv").exists()
    report = (done.run / "report.md").read_text()
    assert "A search for the highest val and the lowest remaining of the last round" in report
    assert "## Trials of the search" in report


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("hydra.sweeper.objectives=[test]",), "test data choose nothing"),
        (("dataset.val_share=0",), "dataset.val_share=0 leaves no validation data; accepted"),
        (("hydra.sweeper.n_trials=0",), "hydra.sweeper.n_trials=0"),
        (("hydra.sweeper.study=a/b",), "hydra.sweeper.study=a/b"),
        ((f"hydra.sweeper.study={'a' * 250}",), "a name of at most 200 bytes"),
        (("hydra.sweeper.objectives=[{a:1}]",), "hydra.sweeper.objectives=[{"),
        (("pruning.rate=interval(0,1)",), "pruning.rate=0"),
        (("hydra.sweeper.sampler._target_=optuna.samplers.Nothing",), "Nothing"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_written(
    lottery: Lottery, folder: Path, overrides: tuple[str, ...], words: str
) -> None:
    done = lottery(*SEARCH, *overrides)
    assert done.code == 2, done.err
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert list(folder.iterdir()) == []


def test_a_missing_package_is_one_line(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lottery.runs.search.find_spec", lambda name: None)
    done = lottery(*SEARCH)
    assert done.code == 2
    assert "pip install 'lottery[optuna]'" in done.err
    assert list(folder.iterdir()) == []

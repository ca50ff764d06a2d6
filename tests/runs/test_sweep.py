"""Sweeps: many runs by one command, one bad one among them, and the controls of a run."""

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest

from lottery.api import Run, load_run
from tests.conftest import TINY, Done, Lottery, tensor_files
from tests.helpers.sweeps import NETWORKS, jobs_of

GRID = (
    "criterion=magnitude,random",
    "scope=layerwise,global",
    "reinit=rewind,random,none",
    "rounds=2",
    "iterations=20",
    "evaluation.every=10",
    "trainer.threads=1",
)


def _runs(done: Done) -> list[Run]:
    """The runs of a sweep, in the order of its jobs."""
    return [load_run(path) for path in jobs_of(done.out)["run"]]


def _first_row(run: Run) -> str:
    return (run.path / "results.csv").read_text().splitlines()[1]


def _round_files(run: Run, number: int) -> dict[str, bytes]:
    """Return a round's tensor files, without the optimizer state that only reinit=none stores."""
    files = tensor_files(run.path / "rounds" / f"{number:02d}")
    files.pop("final_optimizer.safetensors", None)
    return files


def test_grid_of_criteria_scopes_and_reinits(lottery: Lottery, folder: Path) -> None:
    done = lottery("-m", *GRID)
    assert done.code == 0, done.err
    runs = _runs(done)
    assert len({run.path for run in runs}) == 12
    assert done.run.parent == folder / "outputs" / "sweeps"
    assert (done.run / "jobs.csv").is_file()

    assert len({_first_row(run) for run in runs}) == 1
    for run in runs:
        assert _round_files(run, 0) == _round_files(runs[0], 0)
        assert set(_round_files(run, 0)) == {
            f"{name}.safetensors" for name in ("masks", "start", "es", "final")
        }

    by_setting = {
        (run.config["criterion._target_"], run.config["scope._target_"], run.path): run
        for run in runs
    }
    for (criterion, scope, _), run in by_setting.items():
        for (other_criterion, other_scope, _), other in by_setting.items():
            if (criterion, scope) != (other_criterion, other_scope):
                assert (
                    _round_files(run, 2)["masks.safetensors"]
                    != (_round_files(other, 2)["masks.safetensors"])
                )

    finals = [_round_files(run, 2)["final.safetensors"] for run in runs]
    assert all(one != other for one, other in combinations(finals, 2))

    before = {run.path: _records(run) for run in runs}
    again = lottery("-m", *GRID)
    assert again.code == 0
    assert [run.path for run in _runs(again)] == [run.path for run in runs]
    assert {run.path: _records(run) for run in runs} == before
    assert _jobs_table(again) == _jobs_table(done)


def _records(run: Run) -> dict[str, int]:
    files = run.path.glob("rounds/*/*")
    return {str(file): file.stat().st_mtime_ns for file in files}


def _jobs_table(done: Done) -> list[str]:
    return done.out.splitlines()[:-1]


def test_a_glob_stands_for_the_options_that_fit_it(lottery: Lottery) -> None:
    done = lottery("-m", "rounds=-1", "scope=glob([global,layer*])")
    chosen = list(jobs_of(done.out)["overrides"])
    assert chosen == ["rounds=-1 scope=global", "rounds=-1 scope=layerwise"]
    for word in ("scope=glob(*)", "~scope=glob(*)"):
        alone = lottery(word)
        assert (alone.code, alone.out, "Traceback" in alone.err) == (1, "", False), alone.err


def test_a_bad_job_is_reported_and_the_others_run(lottery: Lottery) -> None:
    done = lottery("-m", *TINY, "pruning.rate=0.1,7,0.4")
    assert done.code == 1
    jobs = jobs_of(done.out)
    assert list(jobs["status"]) == ["finished", "failed", "finished"]
    assert "pruning.rate=7" in jobs["message"][1]
    assert "pruning.rate=7: a number above 0 and below 1" in done.out
    assert "Traceback" not in done.err
    assert list(jobs["remaining"].round(2).dropna()) == [0.9, 0.6]
    statuses = [
        json.loads(path.read_text())["status"] for path in sorted((done.run / "jobs").iterdir())
    ]
    assert statuses == ["finished", "failed", "finished"]
    assert not (Path(jobs["run"][1]) / "run.json").exists()


@pytest.mark.parametrize(
    ("bad", "error"), [("Raises", "two lines"), ("Asserts", "AssertionError")]
)
def test_users_code_that_fails_in_a_job_leaves_the_others_alone(
    lottery: Lottery, write_module: Callable[[str, str], Path], bad: str, error: str
) -> None:
    write_module("networks", NETWORKS)
    done = lottery("-m", *TINY, f"model._target_=networks.{bad},networks.Good")
    assert done.code == 1
    jobs = jobs_of(done.out)
    assert list(jobs["status"]) == ["failed", "finished"]
    # one line that says something, even if the error has no text
    (failure,) = (line for line in done.out.splitlines() if line.startswith("job 0"))
    assert error in failure


def test_a_run_that_raises_is_failed_with_its_message(
    lottery: Lottery, write_module: Callable[[str, str], Path]
) -> None:
    write_module("networks", NETWORKS)
    done = lottery("-m", *TINY, "model._target_=networks.Raises")
    entry = json.loads((_runs(done)[0].path / "run.json").read_text())
    assert (entry["status"], entry["message"]) == ("failed", "RuntimeError: two lines\nof trouble")


def test_a_job_that_ends_the_process_is_no_success(
    lottery: Lottery, write_module: Callable[[str, str], Path]
) -> None:
    """Lightning turns SIGTERM into an exit with code 0, for example."""
    write_module("networks", NETWORKS)
    done = lottery("-m", *TINY, "model._target_=networks.Exits,networks.Good")
    assert done.code != 0
    assert jobs_of(done.out)["status"][0] != "running"


def test_a_diverging_job_leaves_the_others_alone(lottery: Lottery) -> None:
    done = lottery("-m", *TINY, "optimizer=sgd", "optimizer.lr=1e30,0.1")
    assert done.code == 1
    jobs = jobs_of(done.out)
    assert list(jobs["status"]) == ["failed", "finished"]
    assert "round 0, step 2" in jobs["message"][0]


def test_sweep_over_rates_ends_with_one_table(lottery: Lottery) -> None:
    done = lottery("-m", *TINY, "pruning.rate=0.1,0.2,0.4")
    assert done.code == 0, done.err
    header, *lines, folder = done.out.splitlines()
    assert {"job", "status", "remaining", "val", "test"} <= set(header.split())
    assert len(lines) == 3
    assert Path(folder).is_dir()
    for rate, line in zip(("0.1", "0.2", "0.4"), lines, strict=True):
        assert f"pruning.rate={rate}" in line


def test_dry_run_of_a_sweep_is_refused(lottery: Lottery, folder: Path) -> None:
    done = lottery("-m", "dry_run=true", "seed=0,1")
    assert done.code == 2
    assert done.err.startswith("error: dry_run=true")
    assert list(folder.iterdir()) == []


def test_a_job_shows_the_last_round_it_asked_for(lottery: Lottery) -> None:
    """Its folder may hold later rounds; their sparsities must not be compared."""
    assert lottery(*TINY, "rounds=2").code == 0
    done = lottery("-m", *TINY, "rounds=1", "seed=0,1")
    jobs = jobs_of(done.out)
    assert jobs["round"].tolist() == [1, 1]
    assert jobs["remaining"].nunique() == 1

"""The report's checks, each on runs with a problem and on runs without it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lottery.record.records import write_record
from lottery.record.run_dir import RunDir
from lottery.report.read.controls import compare_with_controls
from lottery.report.read.groups import group_runs
from lottery.report.read.runs import read_run
from lottery.report.words.controls import judge_controls
from lottery.report.words.published import published_dense
from lottery.report.words.sanity import run_checks
from tests.helpers.toy_records import (
    CONFIG,
    COPIED,
    RANDOM_PRUNING,
    RANDOM_REINIT,
    RANDOM_TICKET,
    RIGL,
    STATIC,
    TRUNK,
    record,
    rewrite_record,
    toy_record,
    write_controls,
    write_run,
)

OTHER = "digits-lenet_300_100-x-none-none-y-22222222"
CONSTANT = {"scheduler._target_": "lottery.training.schedules.Constant"}
DROPS = {
    "scheduler._target_": "lottery.training.schedules.StepDrops",
    "scheduler.at": ["200it"],
    "scheduler.factor": 0.1,
}
MNIST = CONFIG | {"dataset._target_": "lottery.data.Mnist", "dataset.name": "mnist"}
RESNET = CONFIG | {"dataset.name": "cifar10", "model._target_": "lottery.models.ResNet20"}


def checks(paths: Sequence[Path]) -> tuple[str, ...]:
    settings, _ = group_runs([read_run(path) for path in paths])
    return run_checks(settings, judge_controls(compare_with_controls(settings)))


def three_seeds(folder: Path, tests: Sequence[float], canonical: dict[str, Any]) -> list[Path]:
    """Write runs of three seeds that are 0.1 points apart in every round."""
    return [
        write_run(
            folder / f"seed_{seed}",
            tests=[test + 0.001 * seed for test in tests],
            canonical=canonical,
        )
        for seed in range(3)
    ]


def passed(line: str) -> set[str]:
    """Return the checks that a report's last line names."""
    return {name for name in ("controls", "layer", "paper", "early-stopping step") if name in line}


def test_where_nothing_is_wrong_there_is_one_line(tmp_path: Path) -> None:
    (line,) = checks(write_controls(tmp_path))
    assert line.startswith("Passed: ")
    assert passed(line) == {"controls", "layer", "early-stopping step"}


def test_what_cannot_be_checked_is_not_said_to_have_passed(tmp_path: Path) -> None:
    (line,) = checks([write_run(tmp_path / TRUNK / "seed_0", tests=[0.95])])
    assert passed(line) == {"early-stopping step"}


@pytest.mark.parametrize(
    ("control", "tests", "name", "found"),
    [
        # The ticket has 96 % in round 1, its best, and 94 % in round 2.
        (RANDOM_REINIT, (0.96, 0.90), "random reinit", {1: "+0.00"}),
        (RANDOM_REINIT, (0.97, 0.90), "random reinit", {1: "-1.00"}),
        (RANDOM_REINIT, (0.97, 0.95), "random reinit", {1: "-1.00", 2: "-1.00"}),
        (RANDOM_TICKET, (0.90, 0.94), "random ticket", {2: "+0.00"}),
        (RANDOM_PRUNING, (0.90, 0.94), "random pruning", {2: "+0.00"}),
        (RANDOM_REINIT, (0.90, 0.90), "", {}),
        (RANDOM_TICKET, (0.95, 0.93), "", {}),
        (COPIED | {"reinit._target_": "lottery.reinit.Finetune"}, (0.99, 0.99), "", {}),
    ],
)
def test_a_ticket_that_is_no_better_than_its_control(
    tmp_path: Path,
    control: dict[str, Any],
    tests: tuple[float, float],
    name: str,
    found: dict[int, str],
) -> None:
    runs = three_seeds(tmp_path / TRUNK, (0.95, 0.96, 0.94), CONFIG)
    runs += three_seeds(tmp_path / OTHER, (0.95, *tests), control)
    *lines, _ = checks(runs)
    assert len(lines) == bool(found)
    for line in lines:
        assert f"better than {name}" in line
        assert dict(re.findall(r"round (\d) \(.*?\) (.\d\.\d\d) points", line)) == {
            str(number): points for number, points in found.items()
        }
    # Two seeds are too few to say so, and to say that the check has passed
    few = checks([path for path in runs if path.name != "seed_2"])
    assert not any("control" in line or "random" in line for line in few)


def moved_run(folder: Path, tests: Sequence[float], stayed: int, seed: int) -> Path:
    """Write a run of RigL of whose 880 weights in round 1 so many were there at its start."""
    path = write_run(folder / f"seed_{seed}", tests=tests, canonical=RANDOM_PRUNING | RIGL)
    entry = record(1, test=tests[1], val=tests[1], remaining=0.8)
    entry["checks"] |= {"ones_before": 880, "ones_after": 880}
    entry["checks"]["stayed"] = {"fc1.weight": stayed - 80, "output.weight": 80}
    row = {"round": 1, "step": 100, "layer": "fc1.weight", "dropped": 9, "grown": 9}
    entry["dynamic"] = [{**row, "remaining": 800}]
    write_record(RunDir(path), entry)
    return path


@pytest.mark.parametrize(
    ("stayed", "better", "found"),
    [
        (850, 0.02, ["The masks of RigL from random pruning hardly moved: 3.4 % of the weights"]),
        (800, 0.02, []),
        (800, 0.0, ["RigL from random pruning is not shown to be better than static mask from"]),
    ],
)
def test_masks_that_hardly_move_or_move_in_vain(
    tmp_path: Path, stayed: int, better: float, found: list[str]
) -> None:
    runs = three_seeds(tmp_path / OTHER, (0.95, 0.90), RANDOM_PRUNING | STATIC)
    for seed in range(3):
        tests = (0.95 + 0.001 * seed, 0.90 + better + 0.001 * seed)
        runs.append(moved_run(tmp_path / TRUNK, tests, stayed, seed))
    *lines, last = checks(runs)
    assert len(lines) == len(found)
    assert all(line.startswith(start) for line, start in zip(lines, found, strict=True))
    assert ("masks that move have moved" in last) == (stayed == 800)
    assert ("better than masks that stay" in last) == (better > 0)


def test_an_empty_layer_is_named_with_its_round(tmp_path: Path) -> None:
    runs = three_seeds(tmp_path / TRUNK, (0.95, 0.96, 0.2, 0.1), CONFIG)
    for path, rounds in zip(runs, ({}, {3: 0.1}, {2: 0.2, 3: 0.15}), strict=True):
        for number, test in rounds.items():
            entry = record(number, test=test, val=test, remaining=0.8**number)
            entry["layers"]["output.weight"]["remaining"] = 0
            write_record(RunDir(path), entry)
    found, last = checks(runs)
    assert "collapse in ticket" in found
    assert "output.weight from round 2 on (2 of 3 seeds)" in found
    assert "15.00 %" in found  # 10, 20 and 15 %
    assert "layer" not in passed(last)


@pytest.mark.parametrize(
    ("canonical", "paper"),
    [
        (CONFIG, None),  # digits
        (MNIST, 98.0),
        (MNIST | {"dataset.limit": 2000}, None),
        (MNIST | {"dataset.random_labels": 0.1}, None),
        (MNIST | {"dataset.random_labels": 0}, 98.0),
        (MNIST | {"dataset.name": "fashion_mnist"}, None),
        (RESNET | {"optimizer.lr": 0.1}, 90.5),
        (RESNET | {"optimizer.lr": 0.03}, 89.6),
        (RESNET | {"optimizer.lr": 0.2}, 89.1),  # the lowest of the paper's
    ],
)
def test_the_papers_accuracy_of_a_network(canonical: dict[str, Any], paper: float | None) -> None:
    published = published_dense(canonical)
    assert (published[0] if published else None) == paper


@pytest.mark.parametrize(("dense", "flagged"), [(0.9699, True), (0.9701, False), (0.99, False)])
def test_a_dense_network_far_below_its_papers(tmp_path: Path, dense: float, flagged: bool) -> None:
    lines = checks([write_run(tmp_path / TRUNK / "seed_0", tests=[dense, 0.9], canonical=MNIST)])
    found = [line for line in lines[:-1] if "Frankle et al. 2019" in line]
    assert len(found) == flagged
    assert all(number in line for line in found for number in ("96.99 %", "1.01 points", "98.0 %"))
    assert ("paper" in passed(lines[-1])) is not flagged


def test_rounds_that_were_not_trained_long_enough(tmp_path: Path) -> None:
    """Toy rounds are evaluated at 100, 200 and 300."""
    runs = [write_run(tmp_path / TRUNK / f"seed_{n}", tests=[0.9] * 7) for n in (0, 1)]
    for path, number in ((runs[0], 0), (runs[0], 3), (runs[1], 3), (runs[0], 4), (runs[1], 5)):
        entry = record(number, test=0.9, val=0.9, remaining=0.8**number)
        rewrite_record(path, entry | {"row": entry["row"] | {"ES": 300}})
    found, last = checks(runs)
    assert "ticket in 5 of 14 trainings (rounds 0, 3 to 5)" in found
    assert "early-stopping step" not in passed(last)


@pytest.mark.parametrize(("schedule", "same"), [(CONSTANT, True), (DROPS, False)])
def test_two_names_of_one_training(tmp_path: Path, schedule: dict[str, Any], same: bool) -> None:
    runs = [
        toy_record(
            tmp_path / f"digits-lenet-magnitude-0.2-layerwise-{name}-00000000" / "seed_0",
            canonical=CONFIG
            | schedule
            | {"reinit._target_": f"lottery.reinit.{name}", "reinit.steps": None},
        )
        for name in ("LrRewind", "Finetune")
    ]
    settings, _ = group_runs(runs)
    lines = [line for line in run_checks(settings, []) if "same training" in line]
    assert len(lines) == same
    assert all("learning-rate rewinding; fine-tuning" in line for line in lines)


def test_many_settings_are_not_all_told(tmp_path: Path) -> None:
    paths = []
    for number in range(12):
        name = f"digits-lenet-magnitude-0.2-layerwise-rewind-{number:08d}"
        canonical = CONFIG | {"optimizer.lr": 0.001 * (1 + number)}
        paths.append(write_run(tmp_path / name / "seed_0", tests=[0.9], canonical=canonical))
        entry = record(0, test=0.9, val=0.9, remaining=1)
        write_record(RunDir(paths[-1]), entry | {"row": entry["row"] | {"ES": 300}})
        (line,) = checks(paths)
        assert line.count("trainings (round 0)") == min(number + 1, 8)
    assert "; 4 more settings." in line

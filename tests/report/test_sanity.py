"""The report's checks, each on runs in which something is wrong and on runs where it is not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lottery.record.records import write_record
from lottery.record.run_dir import RunDir
from lottery.report.published import published_of
from lottery.report.runs import read_run
from lottery.report.sanity import run_checks
from lottery.report.settings import group_runs
from lottery.report.ticket_vs_controls import compare_with_controls
from tests.helpers.toy_records import (
    CONFIG,
    COPIED,
    RANDOM_PRUNING,
    RANDOM_REINIT,
    RANDOM_TICKET,
    TRUNK,
    record,
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
    return run_checks(settings, compare_with_controls(settings))


def three_seeds(folder: Path, tests: Sequence[float], canonical: dict[str, Any]) -> list[Path]:
    """Runs of three seeds, 0.1 points apart in every round."""
    return [
        write_run(
            folder / f"seed_{seed}",
            tests=[test + 0.001 * seed for test in tests],
            canonical=canonical,
        )
        for seed in range(3)
    ]


def test_where_all_is_well_there_is_one_line(tmp_path: Path) -> None:
    assert checks(write_controls(tmp_path)) == (
        "Checked and found well: tickets are better than their controls; no layer is empty; "
        "ES lies before the last step.",
    )


def test_what_cannot_be_checked_is_not_said_to_be_well(tmp_path: Path) -> None:
    dense = write_run(tmp_path / TRUNK / "seed_0", tests=[0.95])
    assert checks([dense]) == ("Checked and found well: ES lies before the last step.",)


@pytest.mark.parametrize(
    ("control", "points", "words"),
    [
        # The ticket has 96 % in round 1, its best, and 94 % in round 2.
        (RANDOM_REINIT, (0.96, 0.90), "than random reinit: winning ticket, in round 1 (80.0 %"),
        (RANDOM_REINIT, (0.97, 0.90), "in round 1 (80.0 % of the weights) -1.00 points (95 % "
         "interval -1.00 to -1.00, 3 seeds). So nothing there shows that its initial"),
        (RANDOM_TICKET, (0.90, 0.94), "random ticket: winning ticket, in round 2 (64.0 %"),
        (RANDOM_PRUNING, (0.90, 0.94), "shows that its criterion is better than chance."),
        (RANDOM_REINIT, (0.90, 0.90), None),
        (RANDOM_TICKET, (0.95, 0.93), None),
        (COPIED | {"reinit._target_": "lottery.reinit.Finetune"}, (0.99, 0.99), None),
    ],
)  # fmt: skip
def test_a_ticket_that_is_no_better_than_its_control(
    tmp_path: Path, control: dict[str, Any], points: tuple[float, float], words: str | None
) -> None:
    runs = three_seeds(tmp_path / TRUNK, (0.95, 0.96, 0.94), CONFIG)
    runs += three_seeds(tmp_path / OTHER, (0.95, *points), control)
    *found, _ = checks(runs)
    assert len(found) == (words is not None)
    assert all(words is not None and words in line for line in found)
    # Two seeds are too few to say so, and to say that all is well
    few = checks([path for path in runs if path.name != "seed_2"])
    assert not any("control" in line or "random" in line for line in few)


def test_an_empty_layer_is_named_with_its_round(tmp_path: Path) -> None:
    runs = three_seeds(tmp_path / TRUNK, (0.95, 0.96, 0.2, 0.1), CONFIG)
    for path, rounds in zip(runs, ({}, {3: 0.1}, {2: 0.2, 3: 0.15}), strict=True):
        for number, test in rounds.items():
            entry = record(number, test, test, 0.8**number)
            entry["layers"]["output.weight"]["remaining"] = 0
            write_record(RunDir(path), entry)
    found, well = checks(runs)
    assert found.startswith(
        "Layer collapse in winning ticket: no weight is left of output.weight from round 2 on "
        "(2 of 3 seeds). "
    )
    assert "test accuracy is 15.00 % in the mean." in found  # 10, 20 and 15 %
    assert "no layer is empty" not in well


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
    published = published_of(canonical)
    assert (published.accuracy if published else None) == paper


@pytest.mark.parametrize(("dense", "flagged"), [(0.9699, True), (0.9701, False), (0.99, False)])
def test_a_dense_network_far_under_its_papers(tmp_path: Path, dense: float, flagged: bool) -> None:
    lines = checks([write_run(tmp_path / TRUNK / "seed_0", tests=[dense, 0.9], canonical=MNIST)])
    assert (
        any("96.99 % test accuracy, 1.01 points under the 98.0 %" in x for x in lines) is flagged
    )
    assert ("dense networks are at most 1.0 points under" in lines[-1]) is not flagged


def test_rounds_that_were_not_trained_long_enough(tmp_path: Path) -> None:
    """Made-up rounds are evaluated at 100, 200 and 300."""
    runs = [write_run(tmp_path / TRUNK / f"seed_{n}", tests=[0.9] * 7) for n in (0, 1)]
    for path, number in ((runs[0], 0), (runs[0], 3), (runs[1], 3), (runs[0], 4), (runs[1], 5)):
        entry = record(number, 0.9, 0.9, 0.8**number)
        write_record(RunDir(path), entry | {"row": entry["row"] | {"ES": 300}})
    found, well = checks(runs)
    assert ": winning ticket in 5 of 14 trainings (rounds 0, 3 to 5). These" in found
    assert "ES" not in well


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
    said = (
        "The same training by construction, whatever their names: learning-rate rewinding; fine-"
    )
    assert any(said in line for line in run_checks(settings, [])) is same


def test_many_settings_are_not_all_told(tmp_path: Path) -> None:
    paths = []
    for number in range(12):
        name = f"digits-lenet-magnitude-0.2-layerwise-rewind-{number:08d}"
        canonical = CONFIG | {"optimizer.lr": 0.001 * (1 + number)}
        paths.append(write_run(tmp_path / name / "seed_0", tests=[0.9], canonical=canonical))
        entry = record(0, 0.9, 0.9, 1)
        write_record(RunDir(paths[-1]), entry | {"row": entry["row"] | {"ES": 300}})
        (line,) = checks(paths)
        assert line.count("trainings (round 0)") == min(number + 1, 8)
    assert "; 4 more settings. These" in line

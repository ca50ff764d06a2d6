"""Invariant 5: under a mask of ones, a rewound round repeats the dense run's tail bit for bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from lottery.data import CropAndFlip
from lottery.masks import prunable_weights
from lottery.models import LeNet300100, ResNet20
from lottery.pruning import Layerwise, Magnitude, ScoredPruner
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.reinit import Rewind
from lottery.tensors import digest, load_tensors
from lottery.training.schedules import Constant, Cosine, Schedule, StepDrops
from tests.helpers.toy_runs import (
    FALLING,
    NUM_STEPS,
    ToyDraws,
    ToyDropout,
    ToyResNet,
    adam,
    run_toy,
    sgd,
    toy_fit,
)

DROP = StepDrops((9,), 0.1)


def _keep_all(network: nn.Module) -> ScoredPruner:
    rates = dict.fromkeys(prunable_weights(network), 0.0)
    return ScoredPruner(Magnitude(), Layerwise(), rates)


@pytest.mark.parametrize(
    ("network", "schedule"),
    [
        (ToyResNet, StepDrops((7,), 0.5)),
        (ToyDropout, Cosine(0, NUM_STEPS)),
        (ToyDraws, Constant()),
        (ToyResNet, FALLING),
    ],
)
@pytest.mark.parametrize("optimizer", [sgd, adam])
def test_5_a_mask_of_ones_rewound_to_step_k_repeats_the_dense_tail(
    tmp_path: Path,
    optimizer: Callable[..., Any],
    network: Callable[[], nn.Module],
    schedule: Schedule,
) -> None:
    fit = toy_fit(network(), optimizer=optimizer, fixed_order=True, schedule=schedule)
    _, rows = run_toy(tmp_path, fit, prune=_keep_all(fit.network), reinit=Rewind(5, "restored"))
    dense = load_tensors(RunDir(tmp_path).round(0).final)
    for number in (1, 2):
        again = load_tensors(RunDir(tmp_path).round(number).final)
        assert digest(again) == digest(dense)
        assert rows[number]["steps"] == NUM_STEPS - 5
        assert rows[number]["test_last"] == rows[0]["test_last"]


class TinyLeNet(LeNet300100):
    def __init__(self) -> None:
        super().__init__((3, 6, 6), num_classes=3)


class TinyResNet20(ResNet20):
    def __init__(self) -> None:
        super().__init__((3, 6, 6), num_classes=3)


@pytest.mark.parametrize(
    ("network", "optimizer", "schedule", "augmentation"),
    [(TinyLeNet, adam, Constant(), None), (TinyResNet20, sgd, DROP, CropAndFlip(1))],
    ids=["LeNet Adam", "ResNet-20 SGD momentum BatchNorm schedule augmentation"],
)
def test_5_the_papers_networks_repeat_their_dense_tails(
    tmp_path: Path,
    network: Callable[[], nn.Module],
    optimizer: Callable[..., Any],
    schedule: Schedule,
    augmentation: CropAndFlip | None,
) -> None:
    """The same with the networks and optimizers of the papers, from the middle of an epoch."""
    fit = toy_fit(
        network(),
        optimizer=optimizer,
        schedule=schedule,
        augmentation=augmentation,
        fixed_order=True,
    )
    reinit = Rewind(7, "restored")
    imp, rows = run_toy(tmp_path, fit, prune=_keep_all(fit.network), reinit=reinit, rounds=(0, 1))
    dense, again = (load_tensors(RunDir(tmp_path).round(number).final) for number in (0, 1))
    assert digest(again) == digest(dense)
    tails = [
        [{**entry, "round": 0} for entry in record["history"] if entry["iteration"] > 8]
        for record in OpenedRun(imp.run_dir).records
    ]
    assert tails[0] == tails[1] != []
    assert rows[1]["steps"] == NUM_STEPS - 7


def test_5_fails_with_a_fresh_optimizer(tmp_path: Path) -> None:
    """The equality of the test above is no chance."""
    fit = toy_fit(fixed_order=True)
    run_toy(tmp_path, fit, prune=_keep_all(fit.network), reinit=Rewind(5, "fresh"))
    final = [digest(load_tensors(RunDir(tmp_path).round(n).final)) for n in (0, 1)]
    assert final[0] != final[1]

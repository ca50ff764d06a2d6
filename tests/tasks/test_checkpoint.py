"""A regression that is stopped between two evaluations, and carried on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.signals import Stopped
from lottery.tasks import Regression
from lottery.training import LightningFit
from tests.helpers.stopping import fit_of, run_two_rounds, stopping
from tests.helpers.toy_runs import ToyResNet, toy_splits


def _fit() -> LightningFit:
    """Training of three numbers for each example: 1 for its class, else 0."""
    splits = toy_splits().changed(
        lambda split: split.with_targets(torch.eye(3)[split.targets].double())
    )
    splits = replace(splits, num_classes=None)
    loss = Regression().losses(splits)["mse_loss"]
    return replace(fit_of(ToyResNet), task=Regression(), loss=loss, load_splits=lambda: splits)


def test_stopped_and_started_again_is_never_stopped(tmp_path: Path) -> None:
    run_two_rounds(tmp_path / "whole", _fit())
    with pytest.raises(Stopped):
        run_two_rounds(tmp_path / "stopped", stopping(_fit(), 1, 6))
    run_two_rounds(tmp_path / "stopped", _fit())
    whole, again = (
        [(record["row"], record["history"]) for record in OpenedRun(RunDir(path)).records]
        for path in (tmp_path / "whole", tmp_path / "stopped")
    )
    assert whole == again
    assert whole[1][1][0].keys() == {"round", "iteration", "split", "loss", "RMSE"}

"""Mistakes in a user's file: one line where the mistake is known, else its own traceback."""

from collections.abc import Callable
from pathlib import Path

from lottery import load_run
from tests.conftest import QUICK, TINY, Done, Lottery, WriteModule

DROP = """
class Drop:
    DURATIONS

    def __init__(self, at):
        self.at = at

    def __call__(self, step):
        return 1.0 if step < self.at else 0.1
"""


def test_a_schedules_own_durations(lottery: Lottery, write_module: WriteModule) -> None:
    drop = (*TINY, "scheduler._target_=own_drop.Drop", "+scheduler.at=2ep")
    write_module("own_drop", DROP.replace("DURATIONS", ""))
    done = lottery(*drop)
    assert done.code == 2
    assert done.err.startswith("error: scheduler.at=2ep: '<' not supported between ")
    assert 'durations = ("at",)' in done.err
    assert len(done.err.splitlines()) == 1
    write_module("own_drop", DROP.replace("DURATIONS", 'durations = ("at",)'))
    assert lottery(*drop).code == 0


LIGHTNING = """
from pytorch_lightning import LightningModule
from torch import nn

class Net(LightningModule):
    def __init__(self):
        super().__init__()
        self.output = nn.Linear(64, 10)

    def forward(self, inputs):
        return self.output(inputs.flatten(1))
"""
STEP = """
    def training_step(self, batch, number):
        return self(batch[0]).sum()
"""


def test_a_lightning_module_whose_steps_would_not_be_used(
    lottery: Lottery, write_module: WriteModule
) -> None:
    network = (*TINY, "model._target_=own_lightning.Net", "model.rates=[]")
    write_module("own_lightning", LIGHTNING + STEP)
    done = lottery(*network)
    assert done.code == 2
    assert "own_lightning.Net: a LightningModule, whose training_step" in done.err
    assert len(done.err.splitlines()) == 1
    write_module("own_lightning", LIGHTNING)
    assert lottery(*network).code == 0


def test_an_error_in_a_users_code_keeps_its_traceback(
    lottery: Callable[..., Done], folder: Path, write_module: Callable[[str, str], Path]
) -> None:
    write_module(
        "broken_criterion",
        "class Broken:\n    def __call__(self, trained):\n        return trained.nothing\n",
    )
    done = lottery(*QUICK, "criterion._target_=broken_criterion.Broken")
    assert done.code == 1
    assert "broken_criterion.py" in done.err
    assert "line 3" in done.err
    assert "AttributeError" in done.err
    run = next(folder.glob("outputs/*/seed_0"))
    assert load_run(run).status == "failed"
    assert len(load_run(run).results) == 1  # the finished round stays


def test_scores_that_nothing_can_be_chosen_by_are_named_in_one_line(
    lottery: Callable[..., Done], write_module: Callable[[str, str], Path]
) -> None:
    write_module(
        "broken_criterion",
        "class Broken:\n    def __call__(self, trained):\n"
        "        return {name: weight / 0 for name, weight in trained.weights.items()}\n",
    )
    done = lottery(*QUICK, "criterion._target_=broken_criterion.Broken")
    assert done.code == 1
    line = done.err.splitlines()[-1]
    assert line.startswith("error: round 1: the criterion's scores of fc1.weight are not finite")
    assert "Traceback" not in done.err


def test_an_error_in_a_users_constructor_keeps_its_traceback(
    lottery: Callable[..., Done], folder: Path, write_module: Callable[[str, str], Path]
) -> None:
    write_module(
        "broken_network",
        "class Net:\n    def __init__(self):\n        raise KeyError('oops')\n",
    )
    done = lottery(*QUICK, "model._target_=broken_network.Net")
    assert done.code == 1
    assert "broken_network.py" in done.err
    assert "KeyError: 'oops'" in done.err
    assert not (folder / "outputs").exists()

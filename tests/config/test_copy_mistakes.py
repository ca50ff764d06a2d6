"""Masks that cannot be copied: one line that names the key and the value, nothing written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TINY, Lottery, snapshot
from tests.helpers.refused import assert_one_line


@pytest.mark.parametrize(
    ("overrides", "value"),
    [
        (["rounds=2"], "round 2"),
        (["criterion.rounds=[7]"], "round 7"),
        (["model._target_=narrow.Net", "model.rates=[]"], "fc1.weight"),
        (["model._target_=wide.Net", "model.rates=[]"], "fc1.weight"),
    ],
    ids=["fewer rounds", "no such round", "other names", "other shapes"],
)
def test_masks_that_cannot_be_copied(
    lottery: Lottery,
    folder: Path,
    write_module: Callable[[str, str], Path],
    overrides: list[str],
    value: str,
) -> None:
    write_module("narrow", NETWORK.replace("fc1", "other"))
    write_module("wide", NETWORK)
    trunk = lottery(*TINY).run
    before = snapshot(folder)
    done = lottery(*TINY, "criterion=copy", f"criterion.run={trunk}", *overrides)
    assert_one_line(done, "criterion.run", value)
    assert snapshot(folder) == before


NETWORK = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 10)

    def forward(self, inputs):
        return self.fc1(inputs.flatten(1))
"""


@pytest.mark.parametrize(
    ("key", "value"), [("criterion.rounds", "[1]"), ("criterion.shuffle", "global")]
)
def test_a_copy_that_cannot_go_on_from_the_round_before(
    lottery: Lottery, key: str, value: str
) -> None:
    trunk = lottery(*TINY).run
    arguments = ("criterion=copy", f"criterion.run={trunk}", f"{key}={value}")
    for reinit in ("none", "lr_rewind", "finetune"):
        assert_one_line(lottery(*TINY, *arguments, f"reinit={reinit}"), key, value)

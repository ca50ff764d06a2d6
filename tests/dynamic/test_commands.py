"""A run of the command whose masks move: its folder, and what other commands make of it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from lottery import load_run
from lottery.cli import compare, stability, ticket
from tests.conftest import TINY, Done, Lottery, tensor_files
from tests.helpers.finished import assert_trained
from tests.helpers.refused import assert_one_line

RIGL = (
    *TINY,
    "logger=none",
    "criterion=random",
    "scope=erk",
    "pruning.at=init",
    "pruning.one_shot=10",
    "dynamic=rigl",
    "dynamic.every=2",
)


@pytest.fixture
def moved(lottery: Lottery) -> Path:
    done = lottery(*RIGL)
    assert_trained(done, rounds=1)
    return done.run


def test_what_a_run_with_moving_masks_holds_and_what_is_refused(
    moved: Path, lottery: Lottery, in_process: Callable[..., Done]
) -> None:
    run = load_run(moved)
    table = pd.read_csv(moved / "dynamic.csv")
    pd.testing.assert_frame_equal(run.dynamic, table)
    assert sorted(set(table.step)) == [2, 4, 6, 8, 10, 12, 14]
    assert int(table.groupby("layer").remaining.first().sum()) == sum(
        int(mask.sum()) for mask in run.masks(1).values()
    )
    network = dict(run.model(1).named_parameters())
    assert all(not network[name][~mask].any() for name, mask in run.masks(1).items())
    before = tensor_files(moved)
    again = lottery(*RIGL)  # finished
    assert again.run == moved
    assert tensor_files(moved) == before

    assert_one_line(in_process(ticket.main, "lottery-ticket", moved), "masks have moved", "copy")
    refused = in_process(stability.main, "lottery-stability", moved, "--rounds", "0,1")
    assert_one_line(refused, "--rounds", "round 1")
    gmp = lottery(*TINY, "criterion=copy", f"criterion.run={moved}", "dynamic=gmp")
    assert_one_line(gmp, "dynamic=gmp", "criterion=copy")

    # its last masks, trained from W_0 without moving
    copied = lottery(*TINY, "logger=none", "criterion=copy", f"criterion.run={moved}")
    masks = load_run(copied.run).masks(1)
    assert all(torch.equal(mask, masks[name]) for name, mask in run.masks(1).items())
    assert not (copied.run / "dynamic.csv").exists()
    compared = in_process(compare.main, "lottery-compare", moved, copied.run)
    assert compared.code == 0, compared.err
    assert "have moved while it trained: what needs its start is empty" in compared.out


def test_a_user_s_own_dynamic(lottery: Lottery, write_module: Callable[[str, str], Path]) -> None:
    write_module("mine", OWN)
    done = lottery(
        *TINY,
        "logger=none",
        "dynamic._target_=mine.Regrow",
        "+dynamic.every=1ep",
        "iterations=2ep",
    )
    assert_trained(done, rounds=1)
    table = pd.read_csv(done.run / "dynamic.csv")
    assert set(table.step) == {20}  # batches in an epoch
    assert "-magnitude+Regrow-" in str(done.run)


OWN = '''
from dataclasses import dataclass

from lottery.dynamic import exchange, exchanged
from lottery.pruning import LargeInit, Magnitude


@dataclass(frozen=True)
class Regrow:
    """Once, grow a tenth of each layer's weights that were the largest before training."""

    durations = ("every",)

    every: int

    def steps(self, span):
        return [span.first + self.every]

    def settled(self, span):
        return span.first + self.every

    def quota(self, stage):
        return exchanged(stage, 0.1)

    def __call__(self, moment):
        drop, grow = Magnitude()(moment.trained), LargeInit()(moment.trained)
        return exchange(moment.trained, drop, grow, self.quota(moment.stage))
'''

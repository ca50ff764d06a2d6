"""Seeds decide all that is random in a user's network, also what numpy and Python draw."""

import json
from pathlib import Path
from typing import Any

import pytest

from lottery import load_run, load_ticket
from tests.conftest import TINY, Lottery, WriteModule, result_tables, tensor_files

HEAD = """
import itertools
import os
import random
import signal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

COUNT = itertools.count()


def draw():  # a number from each of the global generators
    return float(torch.rand(())), np.random.rand(), random.random()


class Kill(pl.Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, pl_module, *_):
        if pl_module.step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)
"""

STOCHASTIC_DEPTH = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.output = nn.Linear(64, 20), nn.Linear(20, 10)
        self.blocks = nn.ModuleList(nn.Linear(20, 20) for _ in range(3))

    def forward(self, inputs):
        hidden = self.fc1(inputs.flatten(1)).relu()
        numbers = SOURCES if self.training else 3 * (1,)
        for block, number in zip(self.blocks, numbers):
            if number > 0.5:
                hidden = hidden + block(hidden).relu()
        return self.output(hidden)
"""

RANDOM_WIRING = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.output = nn.Linear(64, 20), nn.Linear(20, 10)
        self.blocks = nn.ModuleList(nn.Linear(20, 20) for _ in range(4))
        self.drawn = SOURCES
        self.sources = [0, *(int(x * (k + 2)) for k, x in enumerate(self.drawn))]
        with torch.no_grad():
            self.fc1.weight.add_(sum(self.drawn) / 100)

    def forward(self, inputs):
        hidden = [self.fc1(inputs.flatten(1)).relu()]
        for block, source in zip(self.blocks, self.sources):
            hidden.append(block(hidden[source]).relu())
        return self.output(sum(hidden))
"""

OWN = ("model._target_=written.Net", "model.rates=[]", "iterations=30", "rounds=2")


def _write(write_module: WriteModule, network: str) -> None:
    write_module("written", HEAD + network.replace("SOURCES", "draw()"))


def _model(run: Path, number: int = 0) -> Any:
    return load_run(run).model(number, trust_code=True)


def test_stopped_and_carried_on_is_never_stopped_with_stochastic_depth(
    lottery: Lottery, write_module: WriteModule
) -> None:
    _write(write_module, STOCHASTIC_DEPTH)
    whole = lottery(*TINY, *OWN, "output_dir=whole")
    assert whole.code == 0, whole.err
    for step in (10, 20):
        stop = f"+callbacks.kill={{_target_: written.Kill, step: {step}}}"
        folder = f"output_dir=stopped_{step}"
        for _ in range(3):  # in each of the three rounds
            assert lottery(*TINY, *OWN, folder, stop).code == 143
        done = lottery(*TINY, *OWN, folder)
        assert done.code == 0, done.err
        assert result_tables(done.run) == result_tables(whole.run)
        assert tensor_files(done.run) == tensor_files(whole.run)


def test_random_wiring_is_that_of_the_seed(lottery: Lottery, write_module: WriteModule) -> None:
    _write(write_module, RANDOM_WIRING)
    first = lottery(*TINY, *OWN, "output_dir=a")
    assert first.code == 0, first.err
    stop = "+callbacks.kill={_target_: written.Kill, step: 20}"
    assert lottery(*TINY, *OWN, "output_dir=b", stop).code == 143
    again = lottery(*TINY, *OWN, "output_dir=b")
    assert result_tables(again.run) == result_tables(first.run)
    networks = {
        seed: _model(lottery(*TINY, *OWN, "rounds=0", f"seed={seed}").run) for seed in range(3)
    }
    for by_seed in zip(*(network.drawn for network in networks.values()), strict=True):
        assert len(set(by_seed)) == 3
    assert _model(first.run, 1).drawn == networks[0].drawn


def test_a_ticket_has_the_wiring_of_its_run(
    lottery: Lottery, ticket: Lottery, write_module: WriteModule
) -> None:
    _write(write_module, RANDOM_WIRING)
    run = lottery(*TINY, *OWN, "seed=2").run
    done = ticket(run, "--trust-code")
    assert done.code == 0, done.out + done.err
    assert load_ticket(run, trust_code=True).drawn == _model(run).drawn


ALL_BLOCKS = STOCHASTIC_DEPTH.replace("SOURCES", "3 * (1,)")
UNSEEDED_DRAW = "np.random.default_rng().random()"
UNSEEDED = {
    "weights": RANDOM_WIRING.replace("SOURCES", f"3 * ({UNSEEDED_DRAW},)"),
    "outputs": ALL_BLOCKS.replace(
        ".relu()\n        return", f".relu() * {UNSEEDED_DRAW}\n        return"
    ),
    "outputs in training mode": ALL_BLOCKS.replace(
        "hidden + block", f"({UNSEEDED_DRAW} if self.training else 1) * block"
    ),
    # not drawn, so that the wiring surely differs
    "wiring": RANDOM_WIRING.replace("SOURCES", "3 * (0.0,)").replace(
        "int(x *", "int(next(COUNT) %"
    ),
}


@pytest.mark.parametrize("what", UNSEEDED)
def test_a_network_that_no_seed_decides_is_refused(
    lottery: Lottery, write_module: WriteModule, what: str
) -> None:
    write_module("written", HEAD + UNSEEDED[what])
    done = lottery(*TINY, *OWN)
    assert done.code == 2
    assert done.err.startswith(
        "error: model._target_=written.Net: made twice with one seed, its "
        f"{'weights' if what == 'weights' else 'outputs'} differ"
    )
    assert len(done.err.splitlines()) == 1


NOTED = {
    "every seed gives the same initial weights": ALL_BLOCKS.replace(
        "super().__init__()", "super().__init__()\n        torch.manual_seed(0)"
    ),
    "rng is a random generator of its own": STOCHASTIC_DEPTH.replace(
        "SOURCES", "[self.rng.random() for _ in range(3)]"
    ).replace("super().__init__()", "super().__init__()\n        self.rng = random.Random(0)"),
}


@pytest.mark.parametrize("note", NOTED)
def test_what_the_seed_does_not_decide_is_said_in_log_and_run_json(
    lottery: Lottery, write_module: WriteModule, note: str
) -> None:
    write_module("written", HEAD + NOTED[note])
    done = lottery(*TINY, *OWN)
    assert done.code == 0, done.err
    assert done.err.count(f"model._target_=written.Net: {note}") == 1
    assert [note in line for line in json.loads((done.run / "run.json").read_text())["notes"]]
    assert done.err.count("written.Net: ") == 1


def test_our_own_networks_have_nothing_to_note(lottery: Lottery) -> None:
    run = lottery(*TINY).run
    assert "notes" not in json.loads((run / "run.json").read_text())

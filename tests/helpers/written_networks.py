"""Networks as people write them: sources in a file `written.py`, and what becomes of them."""

from pathlib import Path

import pytest
import torch

from lottery import load_run
from tests.conftest import TINY, Lottery

HEAD = """
import random

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, linear, max_pool2d
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm


def cube(inputs):
    return inputs.unflatten(3, (2, 4)).movedim(3, 2)
"""

# Each network has a forward of images (batch, 1, 8, 8), and at least fc1 and output.
LAYERS = """
        super().__init__()
        self.fc1 = nn.Linear(64, 12)
        self.output = nn.Linear(12, 10)
"""
FORWARD = """
    def forward(self, inputs):
        return self.output(self.fc1(inputs.flatten(1)).relu())
"""


def network(layers: str = "", forward: str = FORWARD, more: str = "") -> str:
    return f"class Net(nn.Module):\n    def __init__(self):{LAYERS}{layers}{forward}{more}"


def assert_right(lottery: Lottery, *arguments: str) -> None:
    """Train two rounds; the stored networks, loaded again, have the accuracies of the table."""
    done = lottery(*TINY, "model._target_=written.Net", "model.rates=[]", *arguments)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    run = load_run(done.run)
    assert run.results["remaining"].tolist() == pytest.approx([1.0, 0.8], abs=0.01)
    for name, mask in run.masks(1).items():
        assert not run.weights(1, "final")[name][~mask].any()
    assert run.model(1, trust_code=True)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert run.model(1, trust_code=True).train()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def assert_refused(lottery: Lottery, folder: Path, line: str) -> None:
    """Check that the network `written.Net` is refused in a line, and nothing is written."""
    done = lottery(*TINY, "model._target_=written.Net", "model.rates=[]")
    assert done.code == 2
    assert done.err.startswith(f"error: model._target_=written.Net: {line}"), done.err
    assert len(done.err.splitlines()) == 1
    assert not (folder / "outputs").exists()

"""For tests of sweeps: a user's networks, good and bad ones, the job table, waiting."""

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tests.conftest import PATIENCE

NETWORKS = """
import os, signal, sys, time
from pathlib import Path
import torch
from lottery.models import LeNet300100

class Good(LeNet300100):
    def forward(self, inputs):
        if self.training and torch.is_grad_enabled():  # not while it is tried before the run
            self.train_step()
        return super().forward(inputs)

    def train_step(self):
        pass

class Raises(Good):
    def train_step(self):
        raise RuntimeError("two lines\\nof trouble")

class Exits(Good):
    def train_step(self):
        sys.exit(0)

class Dies(Good):
    def train_step(self):
        os.kill(os.getpid(), signal.SIGKILL)

class Slow(Good):  # while a file of that name exists
    def train_step(self):
        if Path("slow").exists():
            time.sleep(0.1)

class Asserts(LeNet300100):
    def __init__(self, input_shape, num_classes):
        super().__init__(input_shape, num_classes)
        assert False
"""


def jobs_of(out: str) -> pd.DataFrame:
    """Return the job table of a sweep; its folder is the last line of its stdout."""
    return pd.read_csv(Path(out.splitlines()[-1]) / "jobs.csv")


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Check again and again until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.1)

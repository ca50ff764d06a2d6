"""Short runs of the command `lottery`, as users start them."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lottery.errors import LotteryError

# LeNet-300-100 on digits: the default run, short. Evaluations are few, to time the steps.
SETTING = (
    "rounds=1",
    "iterations=2000",
    "evaluation.every=1000",
    "trainer.threads=1",
    "checkpoint.every_seconds=0.05",
    "logger=none",
)
TEN_STEPS = ("rounds=0", "iterations=20", "evaluation.every=10")
TABLES = ("results.csv", "history.csv")
PATIENCE = 120.0  # seconds: processes that wait for one another for ever are ended


class TrialFailed(LotteryError):
    """A trial run did not end well."""


@dataclass(frozen=True)
class Trials:
    """The trial runs of one examination; each has a folder of its own in `home`."""

    home: Path
    patience: float = PATIENCE

    @cached_property
    def plain(self) -> Path:
        """The folder of a run on one CPU that nothing disturbs."""
        return self.run("plain", "trainer=cpu")

    @cached_property
    def ten_steps(self) -> Path:
        """The folder of a run on one CPU that is evaluated after ten steps."""
        return self.run("ten_steps", *TEN_STEPS, "trainer=cpu")

    def run(self, name: str, *overrides: str) -> Path:
        """Do a run, or carry it on; return its folder."""
        process = self._start(name, overrides)
        try:
            out, err = process.communicate(timeout=self.patience)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise TrialFailed(f"{name}: no end after {self.patience:g} s") from None
        except KeyboardInterrupt:  # which reaches this process alone
            _kill(process)
            raise
        if process.returncode:
            last = err.strip().splitlines()[-1:] or ["no message"]
            raise TrialFailed(f"{name}: exit code {process.returncode}: {last[0]}")
        return Path(out.strip().splitlines()[-1])

    def kill(self, name: str, *overrides: str) -> int:
        """Start a run, kill -9 it once round 1 has a checkpoint, and return its exit code."""
        process = self._start(name, overrides)
        give_up = time.monotonic() + self.patience
        while process.poll() is None and time.monotonic() < give_up:
            if any((self.home / name).glob("*/seed_0/rounds/01/checkpoint.pt")):
                break
            time.sleep(0.005)
        _kill(process)
        return process.returncode

    def _start(self, name: str, overrides: tuple[str, ...]) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "lottery", *SETTING]
        return subprocess.Popen(
            [*command, f"output_dir={self.home / name}", *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"LOTTERY_REPORT": "0"},
            start_new_session=True,  # so that its workers can be ended with it
        )


def different_tables(first: Path, second: Path) -> list[str]:
    """Return the names of the tables that are not equal to the byte in two runs."""
    return [n for n in TABLES if (first / n).read_bytes() != (second / n).read_bytes()]


def largest_loss_difference(first: Path, second: Path) -> float:
    """Return the largest relative difference of two runs' losses at their first evaluation."""
    differences = []
    for one, other in zip(_first_losses(first), _first_losses(second), strict=True):
        differences.append(abs(one - other) / abs(one))
    return max(differences)


def steps_per_second(run: Path) -> float:
    """Return the speed of a run's round 0."""
    with (run / "timing.csv").open(newline="") as file:
        return float(next(csv.DictReader(file))["steps_per_second"])


def _first_losses(run: Path) -> list[float]:
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = (rows[0]["round"], rows[0]["iteration"])
    return [float(row["loss"]) for row in rows if (row["round"], row["iteration"]) == first]


def _kill(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

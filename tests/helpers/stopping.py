"""Toy runs that are stopped at a step, as by a signal, and carried on."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import nn

from lottery.imp import run_rounds
from lottery.signals import StopRequest
from lottery.training import EvaluationSchedule, LightningFit
from tests.helpers.toy_runs import EVERY, NUM_STEPS, toy_fit, toy_imp


class StopAt(pl.Callback):
    """A signal that comes during a step, also in the middle of a block."""

    def __init__(self, round_number: int, step: int, stop: StopRequest) -> None:
        self.training_step = round_number * NUM_STEPS + step
        self.stop = stop
        self.made = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.hook = pl_module.network.register_forward_hook(self._count)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.hook.remove()

    def _count(self, network: nn.Module, *_: Any) -> None:
        self.made += network.training
        if self.made == self.training_step:
            self.stop.signum = signal.SIGUSR1


def stopping(fit: LightningFit, round_number: int, step: int) -> LightningFit:
    callback = StopAt(round_number, step, fit.stop)
    return replace(fit, make_callbacks=lambda number: [callback])


def fit_of(network: type[nn.Module], **changes: Any) -> LightningFit:
    patience = changes.pop("patience", None)
    fit = toy_fit(network(), **changes)
    return replace(
        fit, evaluation=EvaluationSchedule(every=EVERY, test_curve=False, patience=patience)
    )


def run_two_rounds(path: Path, fit: Any, **changes: Any) -> None:
    run_rounds(toy_imp(path, fit, rounds=(0, 1), **changes))


class StopAfter:
    """A request to stop that comes after a number of looks at it."""

    def __init__(self, asked: int) -> None:
        self.left = asked

    @property
    def signum(self) -> int:
        self.left -= 1
        return 15 if self.left < 0 else 0

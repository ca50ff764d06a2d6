"""Keeping the state of one step, for rewinding to it. A Lightning callback."""

from dataclasses import asdict, replace
from typing import Any

import pytorch_lightning as pl

from lottery.models.state import State, read_state
from lottery.training.module import LotteryModule
from lottery.training.rng_state import read_generators


class StateKeeper(pl.Callback):
    """Keeps weights, buffers, optimizer and generator states after one step.

    Args:
        step: the step on the run's clock; None keeps nothing.
    """

    def __init__(self, step: int | None) -> None:
        self.step = step
        self.state: State | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Copy the state when the block that ends at the step has ended."""
        assert isinstance(pl_module, LotteryModule)
        if pl_module.step == self.step:
            state = read_state(pl_module.network, trainer.optimizers[0])
            self.state = replace(state, generators=read_generators())

    def snapshot(self) -> dict[str, Any]:
        """What a checkpoint keeps: the state, once the step lies behind."""
        return asdict(self.state) if self.state else {}

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        self.state = State(**state) if state else None

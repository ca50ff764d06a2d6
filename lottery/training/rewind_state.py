"""The state of one step, kept for rewinding to it, with the global random generators."""

from dataclasses import asdict, replace
from typing import Any

import pytorch_lightning as pl
import torch

from lottery.distributed import gather, rank
from lottery.generators import read_generators, write_generators
from lottery.models.state import State, read_state
from lottery.tensors import Tensors
from lottery.training.module import LotteryModule


class StateKeeper(pl.Callback):
    """Keeps the whole state after one step of the run's clock; None keeps nothing."""

    def __init__(self, step: int | None) -> None:
        self.step = step
        self.state: State | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Copy the state at the end of the block that ends at the step."""
        assert isinstance(pl_module, LotteryModule)
        if pl_module.step == self.step:
            state = read_state(pl_module.network, trainer.optimizers[0])
            self.state = replace(state, generators=read_all_generators(pl_module.device))

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: the state, once the step is made."""
        return asdict(self.state) if self.state else {}

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        self.state = State(**state) if state else None


def read_all_generators(device: torch.device) -> Tensors:
    """Return the states of the global generators of all ranks, by "rank/generator"."""
    here = {f"{rank()}/{name}": state for name, state in read_generators(device).items()}
    return {name: state for ranks in gather(here) for name, state in ranks.items()}


def write_own_generators(states: Tensors, device: torch.device) -> None:
    """Put this rank's generators back; a rank without a state keeps the generators it has."""
    ours = f"{rank()}/"
    own = {name.removeprefix(ours): s for name, s in states.items() if name.startswith(ours)}
    write_generators(own, device)

"""How Lightning uses the machine: the devices, and a Trainer on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy


@dataclass(frozen=True)
class Device:
    """Where to train, and how.

    Args:
        accelerator: "cpu" or "gpu".
        precision: Lightning's name of it, such as "32-true".
        deterministic: only deterministic kernels.
        compile: compile the network.
        block: most optimizer steps per Lightning batch.
        num_devices: devices on each node; each has a process of its own.
        num_nodes: machines.
        index: of the GPU this process uses.
        timeout: seconds that processes wait for one another.
    """

    accelerator: str
    precision: str
    deterministic: bool
    compile: bool
    block: int
    num_devices: int = 1
    num_nodes: int = 1
    index: int = 0
    timeout: int = 600

    @property
    def num_processes(self) -> int:
        """How many processes train together."""
        return self.num_devices * self.num_nodes

    @property
    def torch_device(self) -> torch.device:
        """The device the tensors live on."""
        if self.accelerator == "gpu":
            return torch.device("cuda", self.index)
        return torch.device("cpu")


def make_trainer(
    device: Device,
    callbacks: Sequence[pl.Callback],
    loggers: Sequence[Logger],
    folder: Path,
    *,
    some_unused: bool,
) -> pl.Trainer:
    """A Trainer with nothing in it that nobody asked for.

    Args:
        device: where to train.
        callbacks: all of them.
        loggers: none on any rank but the main one.
        folder: the round's, so that Lightning finds no other round's leftovers.
        some_unused: whether some parameters have no part in the loss, which DDP must know.
    """
    trainer = pl.Trainer(
        accelerator=device.accelerator,
        precision=device.precision,  # type: ignore[arg-type]  # a Literal of all names
        deterministic=device.deterministic,
        max_epochs=1,
        callbacks=list(callbacks),
        # keeps Lightning from taking a SLURM job's environment for its own
        plugins=[LightningEnvironment()],
        logger=list(loggers) or False,
        default_root_dir=folder,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,  # nothing goes through self.log; 50 makes it warn of short rounds
        use_distributed_sampler=False,
        **_placement(device, some_unused=some_unused),
    )
    # Signals are ours (lottery/signals.py). Lightning would answer SIGTERM itself, with several
    # processes by a broadcast from within the handler, and ask all of them at every batch.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    epoch_loop = trainer.fit_loop.epoch_loop
    epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
    # With deterministic kernels torch also fills every new tensor with NaN, for debugging.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return trainer


def _placement(device: Device, *, some_unused: bool) -> dict[str, Any]:
    if device.num_processes == 1:
        return {"devices": [device.index] if device.accelerator == "gpu" else 1}
    # The processes are there already, and have met: Lightning starts none.
    strategy = DDPStrategy(
        timeout=timedelta(seconds=device.timeout), find_unused_parameters=some_unused
    )
    return {"devices": device.num_devices, "num_nodes": device.num_nodes, "strategy": strategy}

"""Lightning's Trainer as a user's module gets it: whose arguments may be given, and ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import Logger

from lottery.training.device import Device, placement

FIND_UNUSED = "find_unused_parameters"  # an option of DDP's, not of the Trainer's


def is_refusal(error: Exception) -> bool:
    """Return whether Lightning itself has raised an error, not the user's code below it."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    module = str(trace.tb_frame.f_globals.get("__name__")) if trace else ""
    return module.startswith(("pytorch_lightning.", "lightning_fabric."))


def make_trainer(
    device: Device,
    options: Mapping[str, Any],
    *,
    callbacks: Sequence[pl.Callback] = (),
    loggers: Sequence[Logger] = (),
    folder: Path,
    some_unused: bool = False,
    **ours: Any,
) -> pl.Trainer:
    """Return a new Trainer; `options` are the user's, `ours` further arguments of ours.

    With several devices DDP must know if weights may have no part in a loss (`some_unused`).
    """
    return pl.Trainer(
        accelerator=device.accelerator,
        precision=device.precision,  # type: ignore[arg-type]  # a Literal of all names
        deterministic=device.deterministic,
        benchmark=device.benchmark,
        callbacks=list(callbacks),
        # Keeps Lightning from using the environment of a SLURM job.
        plugins=[LightningEnvironment()],
        logger=list(loggers) or False,
        default_root_dir=folder,
        enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **placement(device, some_unused=some_unused),
        **{**options, **ours},
    )

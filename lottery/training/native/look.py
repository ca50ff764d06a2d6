"""Look at a user's module and data before a run: one batch of each loop, and what it logs."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl

from lottery.training.device import Device, leave_signals, quiet
from lottery.training.native.metrics import MetricNames
from lottery.training.native.trainer import FIND_UNUSED, make_trainer


@dataclass(frozen=True)
class Seen:
    """What a user's module and data say about themselves."""

    steps_per_epoch: int | None  # training batches of one process; None without a length
    loader_has_state: bool  # whether the training data tell where they are (state_dict)


def look(
    module: pl.LightningModule,
    datamodule: pl.LightningDataModule | None,
    *,
    device: Device,
    options: Mapping[str, Any],
    names: MetricNames,
) -> Seen:
    """Make optimizers and loaders, validate and test one batch; the module is not trained.

    Raises:
        MissingMetric: a metric that the run is about is not logged.
    """
    alone = replace(device, num_devices=1, num_nodes=1)
    of_trainer = {name: value for name, value in options.items() if name != FIND_UNUSED}
    one_batch = {**of_trainer, "limit_val_batches": 1, "limit_test_batches": 1}
    with TemporaryDirectory() as folder, quiet(), warnings.catch_warnings():
        # Several ranks look side by side, each with a Trainer of its own.
        warnings.filterwarnings("ignore", message=r"It is recommended to use `self.log")
        trainer = make_trainer(alone, one_batch, folder=Path(folder), max_steps=0)
        leave_signals(trainer)
        trainer.fit(module, datamodule=datamodule)
        batches = trainer.num_training_batches
        loader = trainer.fit_loop._combined_loader
        loaders = [] if loader is None else loader.flattened
        has_state = all(hasattr(part, "state_dict") for part in loaders)
        trainer.validate(module, datamodule=datamodule, verbose=False)
        names.check_validation(trainer.callback_metrics)
        trainer.test(module, datamodule=datamodule, verbose=False)
        names.check_test(trainer.callback_metrics)
    if math.isinf(batches):
        return Seen(None, has_state)
    shared = all(getattr(part, "has_own_share", False) for part in loaders)
    return Seen(-(-int(batches) // (1 if shared else device.num_processes)), has_state)

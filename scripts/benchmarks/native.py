"""Our round of a user's LightningModule against Lightning's Trainer without us, by turns."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from lottery.generators import drawn
from lottery.masks import prunable_weights
from lottery.models import LeNet300100
from lottery.models.state import read_state, start_at
from lottery.progress import Progress
from lottery.record.run_dir import RunDir
from lottery.signals import StopRequest
from lottery.training import Device, EvaluationSchedule
from lottery.training.device import quiet
from lottery.training.native import MetricNames, NativeFit
from lottery.training.native.trainer import make_trainer

from .rounds import Row

BATCH = 60
CPU = Device(accelerator="cpu", precision="32-true", deterministic=False, compile=False, block=50)
NAMES = MetricNames(
    val="val_loss",
    test="test_loss",
    monitor="val_loss",
    lower_is_better=True,
)


class LitLeNet(pl.LightningModule):
    """LeNet-300-100 on random images of MNIST's size."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.net = LeNet300100((1, 28, 28), 10)
        images, labels = torch.rand(steps * BATCH, 1, 28, 28), torch.arange(steps * BATCH) % 10
        self.examples = TensorDataset(images, labels)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        return cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log the loss."""
        self.log("val_loss", self.training_step(batch, batch_idx))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Log the loss."""
        self.log("test_loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.net.parameters(), lr=0.0012, fused=True)

    def train_dataloader(self) -> Any:
        """Return all examples, shuffled."""
        return DataLoader(self.examples, BATCH, shuffle=True)

    def val_dataloader(self) -> Any:
        """Return one batch."""
        return DataLoader(TensorDataset(*self.examples[:BATCH]), BATCH)

    test_dataloader = val_dataloader


def compare_native(steps: int, repeat: int) -> list[Row]:
    """One row: CPU milliseconds per step of plain Lightning and of a round of ours."""
    module = drawn(lambda: LitLeNet(steps), 0)
    plain, ours = partial(_plain, module, steps), partial(_ours, module, steps)
    plain(), ours()  # the first time everything is slower
    times = [(_cpu_seconds(plain), _cpu_seconds(ours)) for _ in range(repeat)]
    ratios = [our_s / plain_s for plain_s, our_s in times]
    return [
        {
            "native": "LeNet-300-100",
            "Lightning ms/step": 1000 * median(plain_s for plain_s, _ in times) / steps,
            "ours ms/step": 1000 * median(our_s for _, our_s in times) / steps,
            "ratio": median(ratios),
            "lowest": min(ratios),
            "highest": max(ratios),
        }
    ]


def _cpu_seconds(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _plain(module: pl.LightningModule, steps: int) -> None:
    with TemporaryDirectory() as folder, quiet():
        ours = {"max_epochs": 1, "val_check_interval": steps}
        trainer = make_trainer(CPU, {}, folder=Path(folder), **ours)
        trainer.fit(module)
        trainer.test(module, verbose=False)


def _ours(module: pl.LightningModule, steps: int) -> None:
    state = read_state(module)
    generator = torch.Generator().manual_seed(0)
    masks = {
        name: torch.rand(weight.shape, generator=generator) < 0.8
        for name, weight in prunable_weights(module).items()
    }
    with TemporaryDirectory() as folder:
        fit = NativeFit(
            make_module=lambda: module,
            make_datamodule=lambda _: None,
            names=NAMES,
            evaluation=EvaluationSchedule(every=steps, test_curve=False, patience=None),
            order_seed=0,
            split_seed=0,
            fixed_order=False,
            steps_per_epoch=steps,
            options={},
            device=CPU,
            make_callbacks=lambda _: [],
            open_loggers=lambda *_: nullcontext([]),
            progress=Progress(),
            run_dir=RunDir(Path(folder)),
            checkpoint_seconds=60,
            stop=StopRequest(),
            stores_optimizer=False,
        )
        fit(0, start_at(state, steps), masks, keep_step=None)

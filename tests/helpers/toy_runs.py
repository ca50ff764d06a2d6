"""Toy networks, data they can learn, and IMP over them without Hydra."""

import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lottery.data import Split, Splits
from lottery.data.splits import Augmentation
from lottery.distributed import num_ranks
from lottery.imp import Fit, Imp, Pruning, Rounds, Storage, run_rounds
from lottery.masks import Masks, prunable_weights
from lottery.measure.flops import make_counter
from lottery.models.state import all_buffers, fresh_state
from lottery.progress import Progress
from lottery.pruning import Layerwise, Magnitude, Pruner, ScoredPruner, Trained
from lottery.record.run_dir import RunDir
from lottery.record.schema import Row
from lottery.reinit import Reinit, Rewind
from lottery.seeds import derive_seed
from lottery.signals import StopRequest
from lottery.tasks import Classification
from lottery.tensors import load_tensors
from lottery.training import DataOrder, Device, EvaluationSchedule, LightningFit, Optimization
from lottery.training.schedules import Constant, Plateau, Schedule

NUM_STEPS = 12
EVERY = 4
BATCH = 8
# a schedule that every evaluation lowers, unless it is better by half
FALLING = Plateau(factor=0.5, patience=0, threshold=0.5, min_factor=0)
SIZES = {"conv1.weight": 162, "conv2.weight": 324, "output.weight": 18}  # of ToyResNet's weights


class ToyDropout(nn.Module):
    """A network that draws random numbers while it trains, without BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.dropout = nn.Dropout(0.3)
        self.output = nn.Linear(6, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.dropout(self.conv1(inputs).relu().mean((2, 3)))
        logits: Tensor = self.output(hidden)
        return logits


class ToyDraws(ToyDropout):
    """A network that draws from numpy's and Python's generators, too."""

    def forward(self, inputs: Tensor) -> Tensor:
        factor = random.gauss(1, 0.1) + np.random.randn() / 10 if self.training else 1.0  # noqa: NPY002
        return factor * super().forward(inputs)


class ToyResNet(nn.Module):
    """Two convolutions with BatchNorm and a skip between them: 3 x 6 x 6 pixels, 3 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(6)
        self.output = nn.Linear(6, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.norm1(self.conv1(inputs)).relu()
        hidden = (self.norm2(self.conv2(hidden)) + hidden).relu()
        logits: Tensor = self.output(hidden.mean((2, 3)))
        return logits


@dataclass(frozen=True)
class AllEqual:
    """A criterion in which all weights tie."""

    def __call__(self, trained: Trained) -> dict[str, torch.Tensor]:
        return {name: torch.ones_like(weight) for name, weight in trained.weights.items()}


def masks_of(path: Path, number: int) -> Masks:
    return load_tensors(RunDir(path).round(number).masks)


def toy_splits() -> Splits:
    """Noise around the means of three classes: 44 training, 30 validation, 30 test examples."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(3, 3, 1, 1, generator=generator)

    def split(size: int) -> Split:
        targets = torch.arange(size) % 3
        noise = torch.randn(size, 3, 6, 6, generator=generator)
        return Split(means[targets] + noise, targets)

    return Splits(split(44), split(30), split(30), num_classes=3)


def sgd(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """SGD with momentum and weight decay, which move weights without a gradient."""
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=0.01)


def adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.01, weight_decay=0.01, fused=True)


@dataclass
class Recorder(pl.Callback):
    """Records every block: step, learning rate, example indices, largest pruned weight."""

    steps: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    rows: list[list[int]] = field(default_factory=list)
    pruned_max: list[float] = field(default_factory=list)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Tensor, batch_idx: int
    ) -> None:
        self.steps.append(pl_module.step)
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.rows.append(batch.flatten().tolist())
        pairs = zip(pl_module.pruned_weights, pl_module.mask_factors, strict=True)
        self.pruned_max.append(max(float((w.detach() * (1 - m)).abs().max()) for w, m in pairs))


def toy_fit(
    network: nn.Module | None = None,
    *,
    optimizer: Callable[..., torch.optim.Optimizer] = sgd,
    schedule: Schedule | None = None,
    clip_norm: float | None = None,
    order_seed: int = 7,
    fixed_order: bool = False,
    block: int = 50,
    augmentation: Augmentation | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> LightningFit:
    """Training as the command builds it, on the toy data."""
    splits = toy_splits()
    splits = replace(splits, train=replace(splits.train, augmentation=augmentation))
    return LightningFit(
        network=network or ToyResNet(),
        load_splits=lambda: splits,
        loss=nn.functional.cross_entropy,
        task=Classification(),
        metrics={},
        optimization=Optimization(optimizer, schedule or Constant(), clip_norm),
        data_order=DataOrder(
            batch_size=BATCH, seed=order_seed, augmentation_seed=8, fixed=fixed_order
        ),
        evaluation=EvaluationSchedule(every=EVERY, test_curve=False, patience=None),
        device=Device(
            accelerator="cpu",
            precision="32-true",
            deterministic=True,
            compile=False,
            block=block,
            num_devices=num_ranks(),
        ),
        make_callbacks=lambda number: list(callbacks),
        open_loggers=lambda number, masks: nullcontext([]),
        progress=Progress(),
        run_dir=RunDir(Path("unused")),
        checkpoint_seconds=None,
        stop=StopRequest(),
    )


def toy_imp(
    path: Path,
    fit: LightningFit | None = None,
    *,
    reinit: Reinit | None = None,
    prune: Pruner | None = None,
    rounds: Sequence[int] = (0, 1, 2),
    keep: str = "all",
    wrap: Callable[[LightningFit], Fit] | None = None,
    **pruning: Any,
) -> Imp:
    """IMP over the toy network: 20 % per layer and round.

    Args:
        path: the run's folder.
        fit: trains the rounds.
        reinit: rewinds to step 0 if it is not given.
        prune: prunes by magnitude if it is not given.
        rounds: their numbers.
        keep: which rounds' weights stay.
        wrap: makes another fit out of `fit`.
        **pruning: further fields of `Pruning`.
    """
    fit = replace(fit or toy_fit(), run_dir=RunDir(path))
    prunable = list(prunable_weights(fit.network))
    pruner = prune or ScoredPruner(Magnitude(), Layerwise(), dict.fromkeys(prunable, 0.2))
    return Imp(
        rounds=Rounds(rounds),
        num_steps=NUM_STEPS,
        fresh=lambda *purpose: fresh_state(type(fit.network), derive_seed(0, *purpose)),
        fit=wrap(fit) if wrap else fit,
        pruning=Pruning(pruner, prunable=prunable, seed=3, **pruning),
        reinit=reinit or Rewind(0, "fresh"),
        storage=Storage(RunDir(path), all_buffers(fit.network).keys(), keep=keep),
        count=make_counter(fit.network, fit.splits.input_shape),
    )


def run_toy(path: Path, fit: LightningFit | None = None, **changes: Any) -> tuple[Imp, list[Row]]:
    """Run it; `changes` are arguments of `toy_imp`."""
    imp = toy_imp(path, fit, **changes)
    return imp, run_rounds(imp)

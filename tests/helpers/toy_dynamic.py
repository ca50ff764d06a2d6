"""Toy runs whose masks move: three layers, round 1 with 30 % of the weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn

from lottery.dynamic import Dynamic
from lottery.imp import Imp, run_rounds
from lottery.masks import Masks, prunable_weights
from lottery.pruning import Criterion, Erk, Random, ScoredPruner
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.record.schema import Move, Record
from lottery.tensors import Tensors
from lottery.training import LightningFit
from tests.helpers.toy_runs import adam, toy_fit, toy_imp

STEPS = 44
ENDS = 0.95  # of 44 steps: masks move before step 42


class ToyMlp(nn.Module):
    """Three linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(108, 12)
        self.fc2 = nn.Linear(12, 8)
        self.output = nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.fc2(self.fc1(inputs.flatten(1)).relu()).relu()
        logits: Tensor = self.output(hidden)
        return logits


LAYERS = ["fc1.weight", "fc2.weight", "output.weight"]


def dynamic_imp(
    path: Path,
    dynamic: Dynamic | None,
    fit: LightningFit | None = None,
    *,
    criterion: Criterion | None = None,
    num_steps: int = STEPS,
    every: int = 4,
    **changes: Any,
) -> Imp:
    """A dense round and one with moving masks; `changes` are arguments of `toy_imp`."""
    fit = fit or toy_fit(ToyMlp(), optimizer=adam)
    fit = replace(fit, evaluation=replace(fit.evaluation, every=every))
    rates = dict.fromkeys(prunable_weights(fit.network), 0.7)
    pruner = ScoredPruner(criterion or Random(), Erk(), rates)
    imp = toy_imp(path, fit, prune=pruner, **{"rounds": (0, 1), **changes})
    return replace(imp, dynamic=dynamic, num_steps=num_steps)


def run_dynamic(path: Path, dynamic: Dynamic | None, *others: Any, **changes: Any) -> RunDir:
    """Run it; the arguments are those of `dynamic_imp`."""
    run_rounds(dynamic_imp(path, dynamic, *others, **changes))
    return RunDir(path)


def record_of(run_dir: RunDir) -> Record:
    return OpenedRun(run_dir).record(1)


def moves_of_run(run_dir: RunDir) -> Sequence[Move]:
    return record_of(run_dir).get("dynamic", [])


@dataclass(frozen=True)
class Seen:
    """What there is after a block."""

    masks: Masks
    weights: Tensors
    state: dict[str, Tensors]  # of the optimizer, by layer, in the weights' shapes


@dataclass
class Watch(pl.Callback):
    """Keeps what there is after every block of the last round, by step."""

    seen: dict[int, Seen] = field(default_factory=dict)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        pairs = list(zip(pl_module.pruned_names, pl_module.pruned_weights, strict=True))
        states = trainer.optimizers[0].state
        self.seen[pl_module.step] = Seen(
            masks={
                name: factor.bool()
                for (name, _), factor in zip(pairs, pl_module.mask_factors, strict=True)
            },
            weights={name: weight.detach().clone() for name, weight in pairs},
            state={
                name: {entry: v.clone() for entry, v in states[weight].items() if v.dim()}
                for name, weight in pairs
            },
        )

"""Masks that move while a round trains. A Lightning callback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lottery.distributed import differing_ranks, sum_over_ranks
from lottery.dynamic import Moving, WrongMove, has_fresh_optimizer
from lottery.dynamic.moving import moves_of
from lottery.errors import LotteryError
from lottery.masks import Masks
from lottery.measure.evaluate import evaluating
from lottery.models.state import Start, load_optimizer
from lottery.pruning.probe import scoring
from lottery.record.schema import Move
from lottery.tensors import Tensors, copy_to_cpu, digest
from lottery.training.module import LotteryModule, Optimization


class StoppedEarly(LotteryError):
    """A user's callback has ended a round before its masks are those of its end."""


@dataclass(frozen=True)
class Moved:
    """What has become of a round's masks."""

    masks: Masks  # from the last update on
    moves: Sequence[Move]  # of all updates


class Mover(pl.Callback):
    """Moves the masks after the steps that the dynamic names, where a block ends.

    It must be the first callback: the others look at the network that goes on from here.
    """

    def __init__(self, moving: Moving, optimization: Optimization) -> None:
        self.moving = moving
        self.optimization = optimization
        self.masks = moving.start
        self.moves: list[Move] = []
        self._steps = frozenset(moving.steps)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
    ) -> None:
        """Move the masks where a block ends at such a step."""
        assert isinstance(pl_module, LotteryModule)
        if pl_module.step not in self._steps:
            return
        module, step, before = pl_module, pl_module.step, self.masks
        rows = batch[len(outputs["losses"]) - 1]
        weights = dict(zip(module.pruned_names, module.pruned_weights, strict=True))
        self.masks = self.moving.move(
            step,
            weights=copy_to_cpu(weights),
            masks=before,
            gradients=lambda: dense_gradients(module, rows),
        )
        self._check_ranks_agree(step)
        self.moves += moves_of(self.moving.round, step, before, self.masks)
        module.change_masks(self.masks)
        grown = {name: mask & ~before[name] for name, mask in self.masks.items()}
        optimizer = trainer.optimizers[0]
        if not has_fresh_optimizer(self.moving.dynamic):
            freshen(optimizer, self.optimization, weights, grown)
        elif any(places.any() for places in grown.values()):
            new = self.optimization.optimizer(module.network)
            load_optimizer(optimizer, new.state_dict())

    def moved(self, last_step: int) -> Moved:
        """Return what has become of the masks; `last_step` is the last one that was made.

        Raises:
            StoppedEarly: it comes before the masks stay.
        """
        if last_step < self.moving.settled:
            raise StoppedEarly(
                f"round {self.moving.round}: a callback has ended it after step {last_step}; "
                f"dynamic.end lets the masks move before step {self.moving.settled}"
            )
        return Moved(self.masks, self.moves)

    def _check_ranks_agree(self, step: int) -> None:
        if ranks := differing_ranks(lambda: digest(self.masks)):
            raise WrongMove(
                f"round {self.moving.round}: after step {step} the masks of rank {ranks} differ "
                "from rank 0's"
            )

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: the masks, and the updates so far."""
        return {"masks": self.masks, "moves": self.moves}

    def restore(self, state: dict[str, Any], module: LotteryModule) -> None:
        """Put back what a checkpoint kept."""
        self.masks, self.moves = state["masks"], state["moves"]
        module.change_masks(self.masks)


def dense_gradients(module: LotteryModule, rows: Tensor) -> Tensors:
    """Return dL/dw of the prunable weights on the batch of the step just made.

    The pruned weights are zero, and have gradients too. BatchNorm normalises by the batch, its
    statistics stay as they are, and dropout is off: an update changes nothing but masks.
    """
    (drawn,) = module.drawn(rows[None], module.step - 1)
    inputs, targets = module.train_split.batch(rows, drawn)
    buffers = list(module.network.buffers())
    kept = [buffer.clone() for buffer in buffers]
    with evaluating(module.network), torch.enable_grad(), scoring(module.network):
        loss = module.loss(module.network(inputs), targets)
        share = len(rows) / module.batch_size  # of the batch of all ranks
        gradients = torch.autograd.grad(
            loss * share, module.pruned_weights, materialize_grads=True
        )
    with torch.no_grad():
        for buffer, value in zip(buffers, kept, strict=True):
            buffer.copy_(value)
    return {
        name: sum_over_ranks(gradient.cpu())
        for name, gradient in zip(module.pruned_names, gradients, strict=True)
    }


def freshen(
    optimizer: Optimizer, optimization: Optimization, weights: Mapping[str, Tensor], grown: Masks
) -> None:
    """Give grown weights the optimizer state of a weight that has made no step.

    It is what one step with the gradient 0 leaves of a weight of 0: mostly 0, but not everywhere.
    Numbers that a layer has once, such as Adam's count of steps, stay.
    """
    some = next(iter(weights.values()))
    new = nn.Parameter(torch.zeros(1, 1, dtype=some.dtype, device=some.device))
    new.grad = torch.zeros_like(new)
    trial = optimization.make_optimizer([new])
    trial.step()
    fresh = trial.state.get(new, {})
    for name, weight in weights.items():
        places = grown[name].to(weight.device)
        for entry, value in optimizer.state.get(weight, {}).items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                # an entry that comes later than the first step begins at 0
                value[places] = float(fresh[entry]) if entry in fresh else 0.0


def es_from(start: Start, module: LotteryModule, moving: Moving | None) -> int:
    """Return the first step that may be ES: that from which on the masks stay."""
    if module.learned:
        return start.last_step
    return moving.settled if moving else 0

"""The LightningModule: optimizer steps in blocks, pruned weights at zero after every step."""

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lottery.data import Draws, Split
from lottery.distributed import copy_from_main, max_over_ranks, num_ranks, share
from lottery.masks import Masks, apply_masks
from lottery.models.state import (
    Start,
    State,
    load_optimizer,
    own_statistics,
    write_optimizer,
    write_state,
)
from lottery.signals import StopRequest
from lottery.tasks import Loss, Task
from lottery.tensors import send
from lottery.training.divergence import Diverged as Diverged
from lottery.training.divergence import check_losses
from lottery.training.first_step import FirstStep, describe_step
from lottery.training.graphed import GraphedStep, Graphs, Step
from lottery.training.learned_masks import LearnedMasks
from lottery.training.optimization import Optimization as Optimization
from lottery.training.stacked import Made, NextBlock, TrainTogether

QUESTION_SECONDS = 10  # between questions whether to stop; SLURM warns 120 s before the end


class LotteryModule(pl.LightningModule):
    """Trains a network, which holds the start's weights already, under masks.

    The training split is placed for the network's device. `batch_size` is that of all ranks
    together.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        train: Split,
        loss: Loss,
        task: Task,
        masks: Masks,
        start: Start,
        optimization: Optimization,
        batch_size: int,
        draws: Draws | None,
        stop: StopRequest,
        learned: LearnedMasks | None = None,
        train_together: TrainTogether | None = None,
        graphs: Graphs | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.train_split = train
        self.loss = loss
        self.task = task
        self.start = start
        self.optimization = optimization
        self.batch_size = batch_size
        self.draws = draws
        self.stop = stop
        self.learned = learned  # trained instead of the weights
        self.train_together = train_together
        self.graphs = graphs  # None makes steps kernel by kernel
        self._graphed: GraphedStep | None = None
        self.optimizer_state: dict[str, Any] | None = None
        self.first_seen: FirstStep = {}
        # Our own count: Lightning's global_step does not move with plain optimizer steps.
        self.step = start.first_step
        self.steps_per_question = 1  # to the other ranks, until a block has been timed
        self.follow([])
        parameters = dict(network.named_parameters())
        self.pruned_names = list(masks)
        self.pruned_weights = [parameters[name] for name in masks]
        # Plain attributes and not buffers, which DDP would send to all ranks at every step.
        # Each factor has its weight's memory format: otherwise the multiplication is slow.
        self.mask_factors = [
            torch.empty_like(parameters[name], requires_grad=False).copy_(mask)
            for name, mask in masks.items()
        ]
        self.apply_masks()

    def follow(self, val_losses: Sequence[float]) -> None:
        """Tell the schedule the validation losses of this training so far."""
        self.schedule = self.optimization.schedule_after([*self.start.val_losses, *val_losses])

    def apply_masks(self) -> None:
        """Set the pruned weights to exactly zero."""
        apply_masks(self.pruned_weights, self.mask_factors)

    def change_masks(self, masks: Masks) -> None:
        """Take other masks from now on."""
        for name, factor in zip(self.pruned_names, self.mask_factors, strict=True):
            factor.copy_(masks[name])
        self.apply_masks()

    def resume(
        self, state: State, optimizer_state: dict[str, Any], step: int, first_seen: FirstStep
    ) -> None:
        """Continue in the middle of the round, with everything as it was after `step`."""
        write_state(self.network, state)
        self.apply_masks()
        self.optimizer_state = optimizer_state
        self.first_seen = first_seen
        self.step = step

    def transfer_batch_to_device(
        self, batch: Tensor, device: torch.device, dataloader_idx: int
    ) -> Tensor:
        """Leave a block's example indices where the examples are."""
        return batch if self.train_split.on_host else send(batch, device)

    def on_fit_start(self) -> None:
        """Send the masks to the device to which Lightning has moved the weights."""
        self.mask_factors = [
            factor.to(weight.device, weight.dtype)
            for factor, weight in zip(self.mask_factors, self.pruned_weights, strict=True)
        ]

    def configure_optimizers(self) -> Optimizer:
        """Make one optimizer over what is trained, with the start's state."""
        if self.learned:
            make_optimizer = self.optimization.make_optimizer
            optimizer = self.learned.optimizer(make_optimizer, self.change_masks)
        else:
            optimizer = self.optimization.optimizer(self.network)
            write_optimizer(self.network, optimizer, self.start.optimizer_state)
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        if self.optimizer_state is not None:
            load_optimizer(optimizer, self.optimizer_state)
        return optimizer

    def training_step(self, block: Tensor, block_idx: int) -> dict[str, Tensor]:
        """Make the optimizer steps of one block of example indices, (steps, batch).

        A request to stop ends the block early. For each step made, the result has `losses`, the
        mean loss of this rank's part of the batch, and `sums`, the sums over its examples that the
        task's score is made of.
        """
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Optimizer)
        first_step, begun = self.step, time.monotonic()
        if first_step == self.start.first_step:
            self._set_learning_rate(optimizer, first_step)
            self.first_seen = describe_step(optimizer.param_groups[0]["lr"], block[0])
        made = self._make_steps(optimizer, block)
        losses = made.losses
        self.step = first_step + len(losses)
        # Callbacks such as ModelCheckpoint read Lightning's own count, global_step.
        loop = self.trainer.fit_loop.epoch_loop.manual_optimization
        loop.optim_step_progress.total.completed += len(losses)
        check_losses(losses, first_step)
        self._agree(seconds=(time.monotonic() - begun) / len(losses))
        # Not under the key "loss", which Lightning would change.
        return {"losses": losses, "sums": self._sums(block[: len(losses)], made.outputs)}

    def on_train_batch_end(self, *_: Any) -> None:
        """Apply the masks again: a callback may have touched the weights."""
        self.apply_masks()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Apply the masks again: a checkpoint's tensors are the live ones."""
        self.apply_masks()

    def _stops_after(self, steps: int) -> bool:
        """Return whether a signal ends the block after so many of its steps.

        Several ranks must agree where to stop. They ask each other after a few seconds of steps.
        """
        if num_ranks() == 1:
            return bool(self.stop.signum)
        if steps % self.steps_per_question:
            return False
        (signum,) = max_over_ranks([self.stop.signum])
        return bool(signum)

    def _agree(self, seconds: float) -> None:
        """Bring the ranks together after a block, whose steps took so many seconds each."""
        if num_ranks() == 1:
            return
        (slowest,) = max_over_ranks([math.ceil(1000 * seconds)])
        self.steps_per_question = max(1, 1000 * QUESTION_SECONDS // slowest)
        # BatchNorm that sees one rank's part of the batch: rank 0's averages stand, as in DDP
        for buffer in own_statistics(self.network):
            copy_from_main(buffer)

    def _make_steps(self, optimizer: Optimizer, block: Tensor) -> Made:
        """Make the steps of a block, with other runs if there are some."""
        drawn = self.drawn(block, self.step)
        if self.train_together:
            made = self.train_together(self._next_block(optimizer, block, drawn))
            if made is not None:
                return made
        losses, outputs, make_step = [], [], self._step_of_block(optimizer)
        for number, rows in enumerate(block):
            self._set_learning_rate(optimizer, self.step + number)
            loss, output = make_step(rows, drawn[number])
            losses.append(loss)
            if self.task.needs_outputs:
                outputs.append(output)
            if self._stops_after(len(losses)):
                break
        return Made(torch.stack(losses), outputs)

    def _next_block(
        self, optimizer: Optimizer, block: Tensor, drawn: Sequence[Tensor | None] | Tensor
    ) -> NextBlock:
        steps = range(self.step, self.step + len(block))
        return NextBlock(
            network=self.network,
            optimizer=optimizer,
            pruned=self.pruned_weights,
            factors=self.mask_factors,
            clip_norm=self.optimization.clip_norm,
            split=self.train_split,
            loss=self.loss,
            rows=block,
            drawn=drawn if isinstance(drawn, Tensor) else None,
            rates=[self._learning_rates(step) for step in steps],
            made=self.step - self.start.first_step,
            restored=self.start.optimizer_steps,
            keeps_outputs=self.task.needs_outputs,
        )

    def _step_of_block(self, optimizer: Optimizer) -> Step:
        step = partial(self._optimizer_step, optimizer)
        if self.graphs is None:
            return step
        if self._graphed is None:
            tensors = [*self.network.parameters(), *self.network.buffers(), *self.mask_factors]
            self._graphed = GraphedStep(step, optimizer, tensors, self.graphs)
        self._graphed.begin_block()
        return self._graphed

    def _optimizer_step(
        self, optimizer: Optimizer, rows: Tensor, drawn: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        inputs, targets = self.train_split.batch(rows, drawn)
        outputs = self.network(inputs)
        loss = self.loss(outputs, targets)
        optimizer.zero_grad()
        if num_ranks() == 1:
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            # DDP takes the plain mean: the loss is weighted by this rank's share of the batch.
            self.manual_backward(loss * (len(rows) * num_ranks() / self.batch_size))
        if self.optimization.clip_norm is not None:
            self._clip_gradients(self.optimization.clip_norm)
        optimizer.step()
        self.apply_masks()
        return loss.detach(), outputs.detach()

    def _sums(self, made: Tensor, outputs: Sequence[Tensor]) -> Tensor:
        """Return the task's sums by step, (steps, k): once per block, because that is faster."""
        if not self.task.needs_outputs:
            return torch.zeros(len(made), 0, device=self.train_split.targets.device)
        targets = self.train_split.targets_of(made.flatten())
        parts = self.task.parts(torch.cat(list(outputs)), targets)
        return parts.reshape(*made.shape, -1).sum(1)

    def _clip_gradients(self, clip_norm: float) -> None:
        # Pruned weights have gradients too, which must not count in the norm.
        pairs = zip(self.pruned_weights, self.mask_factors, strict=True)
        used = [(weight.grad, factor) for weight, factor in pairs if weight.grad is not None]
        apply_masks([grad for grad, _ in used], [factor for _, factor in used])
        nn.utils.clip_grad_norm_(self.network.parameters(), clip_norm)

    def _learning_rates(self, step: int) -> list[float]:
        """Return the learning rate of each group of parameters for a step."""
        made = 0 if self.start.rate_stays else step - self.start.first_step
        factor = self.schedule(self.start.schedule_step + made)
        return [rate * factor for rate in self.base_rates]

    def _set_learning_rate(self, optimizer: Optimizer, step: int) -> None:
        rates = self._learning_rates(step)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def drawn(self, block: Tensor, first_step: int) -> Sequence[Tensor | None] | Tensor:
        """Return this rank's random numbers for the augmentation, for each step of a block.

        The block's steps come after `first_step`.
        """
        if self.draws is None:
            return [None] * len(block)
        numbers = self.draws.steps(first_step, first_step + len(block))
        return send(share(numbers, dim=1), self.train_split.targets.device)

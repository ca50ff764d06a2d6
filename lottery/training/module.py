"""The LightningModule: optimizer steps in blocks, pruned weights at zero after every one."""

from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lottery.data import Split
from lottery.masks import Masks, apply_masks
from lottery.measure import Loss
from lottery.models.state import Start, write_optimizer
from lottery.training.schedules import Schedule

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


class Diverged(Exception):
    """The training loss is no longer a finite number."""


class LotteryModule(pl.LightningModule):
    """Trains a network under masks.

    Args:
        network: holds the start weights already.
        train: training split on the network's device.
        loss: mean loss of (logits, targets).
        masks: by parameter name.
        start: where the round starts; its optimizer state is restored.
        make_optimizer: optimizer of the trainable parameters, with its learning rate.
        schedule: factor of the learning rate by step.
        clip_norm: largest gradient norm of the weights that are left, or None.
    """

    def __init__(
        self,
        network: nn.Module,
        train: Split,
        loss: Loss,
        masks: Masks,
        start: Start,
        make_optimizer: MakeOptimizer,
        schedule: Schedule,
        clip_norm: float | None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.train_split = train
        self.loss = loss
        self.start = start
        self.make_optimizer = make_optimizer
        self.schedule = schedule
        self.clip_norm = clip_norm
        # Our own count: Lightning's global_step does not move with plain optimizer steps.
        self.step = start.first_step
        parameters = dict(network.named_parameters())
        self.pruned_weights = [parameters[name] for name in masks]
        # Plain attributes, not buffers: DDP would send them to all ranks at every step.
        self.mask_factors = [
            mask.to(parameters[name].device, parameters[name].dtype)
            for name, mask in masks.items()
        ]
        self.apply_masks()

    def apply_masks(self) -> None:
        """Put the pruned weights at exactly zero."""
        apply_masks(self.pruned_weights, self.mask_factors)

    def on_fit_start(self) -> None:
        """Lightning has moved the weights to their device by now: send the masks after them."""
        self.mask_factors = [
            factor.to(weight.device, weight.dtype)
            for factor, weight in zip(self.mask_factors, self.pruned_weights, strict=True)
        ]

    def configure_optimizers(self) -> Optimizer:
        """One optimizer over the trainable parameters, with the start's state."""
        trainable = [p for p in self.network.parameters() if p.requires_grad]
        optimizer = self.make_optimizer(trainable)
        write_optimizer(self.network, optimizer, self.start.optimizer_state)
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        return optimizer

    def training_step(self, block: Tensor, block_idx: int) -> dict[str, Tensor]:
        """The optimizer steps of one block.

        Args:
            block: example indices, (steps, batch).
            block_idx: unused.

        Returns:
            Sums over the block: `loss` of the batches, number of `correct` examples.

        Raises:
            Diverged: a loss is not finite.
        """
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Optimizer)
        first_step = self.step
        losses, correct = [], []
        for step, rows in enumerate(block, start=first_step):
            self._set_learning_rate(optimizer, step)
            loss, right = self._optimizer_step(optimizer, rows)
            losses.append(loss)
            correct.append(right)
        self.step = first_step + len(block)
        block_losses = torch.stack(losses)
        self._check_finite(block_losses, first_step)
        # Not under the key "loss": Lightning would do arithmetic on it.
        return {"loss_sum": block_losses.double().sum(), "correct": torch.stack(correct).sum()}

    def _optimizer_step(self, optimizer: Optimizer, rows: Tensor) -> tuple[Tensor, Tensor]:
        inputs, targets = self.train_split.inputs[rows], self.train_split.targets[rows]
        logits = self.network(inputs)
        loss = self.loss(logits, targets)
        optimizer.zero_grad()
        self.manual_backward(loss)
        if self.clip_norm is not None:
            self._clip_gradients(self.clip_norm)
        optimizer.step()
        self.apply_masks()
        return loss.detach(), (logits.argmax(1) == targets).sum()

    def _clip_gradients(self, clip_norm: float) -> None:
        # Pruned coordinates have gradients too, and would count in the norm that is shared by all.
        grads = [weight.grad for weight in self.pruned_weights]
        apply_masks([grad for grad in grads if grad is not None], self.mask_factors)
        nn.utils.clip_grad_norm_(self.network.parameters(), clip_norm)

    def _set_learning_rate(self, optimizer: Optimizer, step: int) -> None:
        factor = self.schedule(self.start.schedule_step + step - self.start.first_step)
        for group, rate in zip(optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor

    def _check_finite(self, losses: Tensor, first_step: int) -> None:
        finite = torch.isfinite(losses)
        if not finite.all():
            step = first_step + 1 + int((~finite).nonzero()[0])
            raise Diverged(f"step {step}: the training loss is {float(losses[~finite][0])}")

    def on_train_batch_end(self, *_: Any) -> None:
        """Masks again, should a callback have touched the weights."""
        self.apply_masks()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Masks again: a checkpoint's tensors are the live ones."""
        self.apply_masks()

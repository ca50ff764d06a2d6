"""Pruned weights of a user's module stay at zero, whatever its optimizers do."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor, optim
from torch.optim import Optimizer

from lottery.masks import Masks, apply_masks

# Optimizers that move each weight by its own gradient alone.
ELEMENTWISE = (
    optim.ASGD,
    optim.SGD,
    optim.Adadelta,
    optim.Adagrad,
    optim.Adam,
    optim.AdamW,
    optim.Adamax,
    optim.NAdam,
    optim.RAdam,
    optim.RMSprop,
    optim.Rprop,
)
# Hooks in which a user may look at all gradients at once.
GRADIENT_HOOKS = (
    "configure_gradient_clipping",
    "on_after_backward",
    "on_before_optimizer_step",
    "optimizer_step",
)


class MaskKeeper(pl.Callback):
    """Sets pruned weights to zero after every step of every optimizer; it is the first callback.

    Where gradients of different weights meet, in a clipped norm for example, those of pruned
    weights are zero too.
    """

    def __init__(self, module: pl.LightningModule, masks: Masks) -> None:
        parameters = dict(module.named_parameters())
        self._weights = [parameters[name] for name in masks]
        self._factors = [
            torch.empty_like(parameters[name], requires_grad=False).copy_(mask)
            for name, mask in masks.items()
        ]
        self._handles: list[Any] = []
        self.apply()

    def apply(self) -> None:
        """Set the pruned weights to exactly zero."""
        apply_masks(self._weights, self._factors)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send the masks to the device to which Lightning has moved the weights."""
        self._factors = [
            factor.to(weight.device, weight.dtype)
            for factor, weight in zip(self._factors, self._weights, strict=True)
        ]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Watch every optimizer, and the gradients where they meet."""
        self.apply()  # a loaded checkpoint, or an earlier hook, may have set weights
        for optimizer in trainer.optimizers:
            self._handles.append(
                optimizer.register_step_post_hook(self._mask_weights_of(optimizer))
            )
        if gradients_meet(trainer, pl_module):
            for weight, factor in zip(self._weights, self._factors, strict=True):
                hook = weight.register_hook(_multiply_by(factor))  # type: ignore[no-untyped-call]
                self._handles.append(hook)

    def _mask_weights_of(self, optimizer: Optimizer) -> Callable[..., None]:
        """Return a function that masks the weights that an optimizer moves.

        Others stay untouched: a loss of several networks may still need their gradients.
        """
        moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
        pairs = zip(self._weights, self._factors, strict=True)
        chosen = [(weight, factor) for weight, factor in pairs if id(weight) in moved]
        weights, factors = [w for w, _ in chosen], [f for _, f in chosen]
        return lambda *_: apply_masks(weights, factors) if weights else None

    def on_train_batch_end(self, *_: Any) -> None:
        """Apply the masks again: training_step may have touched the weights."""
        self.apply()

    def on_save_checkpoint(self, *_: Any) -> None:
        """Apply the masks again: a checkpoint's tensors are the live ones."""
        self.apply()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._factors = [factor.cpu() for factor in self._factors]


def gradients_meet(trainer: pl.Trainer, module: pl.LightningModule) -> bool:
    """Return whether a pruned weight's gradient could have a part in another weight's step."""
    return (
        not module.automatic_optimization
        or bool(trainer.gradient_clip_val)
        or any(is_overridden(name, module) for name in GRADIENT_HOOKS)
        or any(type(optimizer) not in ELEMENTWISE for optimizer in trainer.optimizers)
    )


def _multiply_by(factor: Tensor) -> Any:
    return lambda gradient: gradient * factor

"""`module=supervised`: any network, task, optimizer and schedule, by Lightning's own loop."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lottery.arguments import check_flag
from lottery.data import Splits
from lottery.tasks import Loss, Task
from lottery.training.native.totals import Totals
from lottery.training.optimization import MakeOptimizer
from lottery.training.schedules import Schedule

VAL, TEST, VAL_LOSS = "val", "test", "val_loss"  # what is logged besides the further metrics


class Supervised(pl.LightningModule):
    """Trains a network on inputs and targets.

    Its parameters and buffers have the network's names, and so have masks, files and tickets.

    Args:
        network: what is trained.
        loss: of outputs and targets, the mean over a batch.
        task: gives score and further metrics.
        splits: the data's sizes and targets, for the further metrics.
        make_optimizer: gets the parameters.
        schedule: factor of the learning rate by optimizer step.
        channels_last: keep images and convolutions in this memory format, in which they are
            quicker; it affects the last bits.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        loss: Loss,
        task: Task,
        splits: Splits,
        make_optimizer: MakeOptimizer,
        schedule: Schedule,
        channels_last: bool,
    ) -> None:
        super().__init__()
        check_flag("channels_last", channels_last)
        self.network = network
        self.loss = partial(loss)  # no layer of this module, whose buffers would be the network's
        self.task = task
        self.splits = splits
        self.make_optimizer = make_optimizer
        self.schedule = schedule
        self.channels_last = channels_last
        self.example_input_array = splits.val.inputs[:1]  # for criteria that look at outputs
        for tensor in [*self.parameters(), *self.buffers()]:
            if channels_last and tensor.ndim == 4:
                tensor.data = tensor.contiguous(memory_format=torch.channels_last)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the network's parameters by its own names."""
        return self.network.named_parameters(prefix, recurse, remove_duplicate)

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the network's buffers by its own names."""
        return self.network.named_buffers(prefix, recurse, remove_duplicate)

    def get_parameter(self, target: str) -> Parameter:
        """Return the network's parameter of a name."""
        return self.network.get_parameter(target)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # of all its forms
        """Return the network's state dict."""
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load the network's state dict."""
        return self.network.load_state_dict(*args, **kwargs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the network's outputs, not in bfloat16, whose 8 bits make losses equal."""
        if self.channels_last and inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        outputs: Tensor = self.network(inputs)
        return outputs if outputs.dtype == torch.float64 else outputs.float()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        inputs, targets = batch
        loss = self.loss(self(inputs), targets)
        self.log("train_loss", loss.detach())
        return loss

    def configure_optimizers(self) -> Any:
        """Make the optimizer; the schedule counts batches, as `iterations` does."""
        optimizer = self.make_optimizer(self.parameters())
        batches, schedule = self.trainer.accumulate_grad_batches, self.schedule
        # a plain function, of which Lightning's checkpoint keeps nothing
        scheduler = LambdaLR(optimizer, lambda step: schedule(batches * step))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def clip_gradients(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm; Lightning itself refuses fused optimizers in mixed precision."""
        if gradient_clip_val:
            nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def on_validation_epoch_start(self) -> None:
        """Begin to add up."""
        self._totals = Totals(self.task, self.loss)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch."""
        self._add(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the loss, the score and the further metrics of all processes' examples."""
        loss, score, further = self._totals.join(self.splits)
        self._log_all({VAL_LOSS: loss, VAL: score} | {f"val_{n}": v for n, v in further.items()})

    def on_test_epoch_start(self) -> None:
        """Begin to add up."""
        self._totals = Totals(self.task, self.loss)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch."""
        self._add(batch)

    def on_test_epoch_end(self) -> None:
        """Log the score and the further metrics."""
        _, score, further = self._totals.join(self.splits)
        self._log_all({TEST: score, **further})

    def _add(self, batch: tuple[Tensor, Tensor]) -> None:
        inputs, targets = batch
        with torch.autocast(self.device.type, enabled=False):  # mixed precision is for training
            self._totals.add(self(inputs), targets)

    def _log_all(self, values: dict[str, float]) -> None:
        for name, value in values.items():  # a float would become a tensor of 32 bits
            self.log(name, torch.tensor(value, dtype=torch.float64), sync_dist=True)

"""The loss of a user's `training_step`, for criteria that differentiate it.

The batches are those that the training data's loader gives, with the loader's own size, order and
augmentation; the loss is what `training_step` returns for them.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer import call
from pytorch_lightning.trainer.states import RunningStage, TrainerFn
from torch import Tensor, nn
from torch.func import functional_call

from lottery.errors import LotteryError
from lottery.generators import drawn, seed_generators
from lottery.models.state import State
from lottery.pruning.probe import copied_buffers, on_device_of, scoring
from lottery.tensors import Tensors
from lottery.training.device import Device, leave_signals, quiet
from lottery.training.native.seeding import seed_setup
from lottery.training.native.trainer import FIND_UNUSED, make_trainer

PRECISIONS = {torch.float32: "32-true", torch.float64: "64-true"}
LARGEST_SEED = 2**62


class NoLoss(LotteryError):
    """A module's training_step gives nothing that a criterion could differentiate."""


@dataclass(frozen=True)
class ModuleProbe:
    """A copy of a user's module with its training data, on one device."""

    network: pl.LightningModule
    make_datamodule: Callable[[], pl.LightningDataModule | None]
    split_seed: int
    options: Mapping[str, Any]  # further arguments of Lightning's Trainer
    device: Device
    dtype: torch.dtype  # to compute in: float32 or float64

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example, as `example_input_array` says."""
        example = self.network.example_input_array
        assert isinstance(example, Tensor)
        return tuple(example.shape[1:])

    def batches(
        self,
        num_batches: int,
        batch_size: int,
        generator: torch.Generator,
        *,
        per_class: bool = False,
    ) -> list[tuple[Any, int]]:
        """Draw batches of the loader, whatever `batch_size` says, each with a seed for its loss.

        Lightning sets up module and data and sends the batches to the device; it trains nothing.
        """
        assert not per_class  # criteria without num_classes refuse it
        seeds = torch.randint(LARGEST_SEED, (num_batches + 1,), generator=generator).tolist()
        collector = _Collector(num_batches, seeds[0])
        drawn(partial(self._fit, collector), 0)
        found = len(collector.found)
        if found < num_batches:
            raise NoLoss(f"criterion.num_batches={num_batches}: the training data have {found}")
        return list(zip(collector.found, seeds[1:], strict=True))

    def losses(
        self,
        state: State,
        weights: Tensors,
        batches: list[tuple[Any, int]],
        *,
        temperature: float = 1.0,
        mode: str = "train",
    ) -> Iterator[Tensor]:
        """Compute the loss of each batch; what it draws, it draws from the batch's seed."""
        if temperature != 1:
            raise NoLoss(f"criterion.temperature={temperature}: training_step divides no logits")
        tensors = on_device_of(self.network, state.weights) | weights
        step = _TrainingStep(self.network)
        paths = _paths(step, self.network)
        for index, (batch, seed) in enumerate(batches):
            with scoring(self.network, mode):
                here = tensors | copied_buffers(self.network, state)
                named = {paths[name]: tensor for name, tensor in here.items()}
                compute = partial(functional_call, step, named, (batch, index))
                with quiet():
                    yield drawn(compute, seed)

    def outputs(self, tensors: Tensors, inputs: Tensor) -> Tensor:
        """Return the outputs in evaluation mode with all weights and buffers as given."""
        paths = _paths(self.network, self.network)
        named = {paths[name]: tensor for name, tensor in tensors.items()}
        found: Tensor = functional_call(self.network.eval(), named, inputs)
        return found

    def _fit(self, collector: "_Collector") -> None:
        """Let Lightning begin a fit, so that the loader is as in a round."""
        alone = replace(self.device, num_devices=1, num_nodes=1, precision=PRECISIONS[self.dtype])
        options = {name: value for name, value in self.options.items() if name != FIND_UNUSED}
        with TemporaryDirectory() as folder, quiet():
            trainer = make_trainer(
                alone, options, folder=Path(folder), callbacks=[collector], max_epochs=1
            )
            leave_signals(trainer)
            datamodule = self.make_datamodule()
            seed_setup(self.split_seed)
            self.network.train()  # else Lightning warns
            trainer.fit(self.network, datamodule=datamodule)
        # The fit is over, and training_step may log and ask for the trainer, as in a fit.
        trainer.state.fn, trainer.state.stage = TrainerFn.FITTING, RunningStage.TRAINING
        self.network.to(alone.torch_device)


@dataclass(eq=False, repr=False)  # Lightning prints its callbacks' repr
class _Collector(pl.Callback):
    """Takes the first batches of the training data and ends the fit."""

    number: int
    seed: int
    found: list[Any] = field(default_factory=list)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        seed_generators(self.seed)
        loader = trainer.fit_loop._combined_loader
        assert loader is not None
        for batch, _, index in islice(loader, self.number):
            converted = trainer.precision_plugin.convert_input(batch)
            ready = pl_module._on_before_batch_transfer(converted, dataloader_idx=index)
            there = call._call_strategy_hook(
                trainer, "batch_to_device", ready, dataloader_idx=index
            )
            self.found.append(there)
        trainer.should_stop = True


def _paths(root: nn.Module, module: pl.LightningModule) -> dict[str, str]:
    """Return where torch finds a module's tensors below `root`, by their names in files.

    They differ by more than what stands in front in `module=supervised`, which has its network's
    names.
    """
    found = {
        id(tensor): f"{prefix}.{name}" if prefix else name
        for prefix, layer in root.named_modules()
        for name, tensor in [*layer._parameters.items(), *layer._buffers.items()]
    }
    return {
        name: found[id(tensor)]
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]
    }


class _TrainingStep(nn.Module):
    """A network whose forward pass is a module's training step."""

    def __init__(self, module: pl.LightningModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: Any, index: int) -> Tensor:
        trainer = self.module.trainer
        epoch_loop = trainer.fit_loop.epoch_loop
        arguments = epoch_loop._build_kwargs(OrderedDict(), batch, index)
        output = call._call_strategy_hook(trainer, "training_step", *arguments.values())
        loss = output.get("loss") if isinstance(output, Mapping) else output
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise NoLoss(
                f"training_step of {type(self.module).__name__} returns {type(output).__name__} "
                "without a loss that depends on the weights"
            )
        return loss

"""The network on training data, for the criteria that look at gradients."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lottery.data import Split
from lottery.measure.evaluate import Loss
from lottery.models.state import State
from lottery.tensors import Tensors, copy_to_cpu

Batch = tuple[Tensor, Tensor]  # inputs and targets


@dataclass(frozen=True)
class Probe:
    """A network of its own that a criterion runs, so that no other has traces of it.

    Args:
        network: a copy that nothing else uses, on the device and in the type to compute in.
        train: the training examples, unaugmented, on the same device.
        loss: mean loss of (logits, targets).
        input_shape: of one example.
    """

    network: nn.Module
    train: Split
    loss: Loss
    input_shape: tuple[int, ...]

    def batches(
        self, num_batches: int, batch_size: int, generator: torch.Generator
    ) -> list[Batch]:
        """Different training examples, drawn by `generator`: (inputs, targets) of each batch.

        Raises:
            ValueError: there are fewer training examples than that.
        """
        wanted = num_batches * batch_size
        if wanted > len(self.train):
            raise ValueError(f"{wanted} of {len(self.train)} training examples to score on")
        rows = torch.randperm(len(self.train), generator=generator)[:wanted]
        parts = torch.split(rows.to(self.train.targets.device), batch_size)
        first = next(self.network.parameters())
        pairs = [self.train.batch(part) for part in parts]
        return [
            (inputs if self.train.has_tokens else inputs.to(first.dtype), targets)
            for inputs, targets in pairs
        ]

    def on_device(self, tensors: Tensors) -> Tensors:
        """Copies in the network's memory, those of floating point in its type."""
        first = next(self.network.parameters())
        return {
            name: tensor.to(first.device, first.dtype if tensor.is_floating_point() else None)
            for name, tensor in tensors.items()
        }

    def losses(
        self,
        state: State,
        weights: Tensors,
        batches: list[Batch],
        temperature: float = 1.0,
    ) -> Iterator[Tensor]:
        """The loss of each batch, to be differentiated by `weights`.

        Dropout and the like are off. BatchNorm normalises by the batch, as in training: at
        initialisation its running averages say nothing.

        Args:
            state: the network; `weights` stand in for its own.
            weights: as `on_device` gives them, with gradients.
            batches: as `batches` gives them.
            temperature: what logits are divided by.
        """
        self.network.eval()
        for layer in self.network.modules():
            layer.training = isinstance(layer, nn.modules.batchnorm._BatchNorm)
        others = self.on_device(state.weights)
        for inputs, targets in batches:
            # clones, since BatchNorm writes its averages into them
            buffers = {n: b.clone() for n, b in self.on_device(state.buffers).items()}
            logits = functional_call(self.network, {**others, **weights, **buffers}, inputs)
            yield self.loss(logits / temperature, targets)


MakeProbe = Callable[[torch.dtype], Probe]  # computing in a floating-point type


def no_probe(_: torch.dtype) -> Probe:
    """Where there is no network to run.

    Raises:
        ValueError: always.
    """
    raise ValueError("this criterion runs the network, and there is none here")


def differentiable(probe: Probe, weights: Tensors) -> Tensors:
    """Copies in the probe's memory that gradients are taken by."""
    return {
        name: weight.detach().clone().requires_grad_()
        for name, weight in probe.on_device(weights).items()
    }


def to_scores(names: Tensors, values: list[Tensor]) -> Tensors:
    """Values in the order of `names`, by name, in CPU memory."""
    return copy_to_cpu(dict(zip(names, values, strict=True)))

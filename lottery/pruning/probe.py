"""The network with training data, for criteria that look at gradients."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lottery.data import Split
from lottery.models.state import State
from lottery.tasks import Loss
from lottery.tensors import Tensors, copy_to_cpu

Batch = Any  # what a probe's `batches` gives and its `losses` take


class Probe(Protocol):
    """A copy of the network for a criterion to run, so that the run's own network is untouched."""

    @property
    def network(self) -> nn.Module:
        """The copy, on the device and in the type to compute in."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example."""

    def batches(
        self,
        num_batches: int,
        batch_size: int,
        generator: torch.Generator,
        *,
        per_class: bool = False,
    ) -> list[Batch]:
        """Draw batches of training examples; with `per_class` as many of each class."""

    def losses(
        self,
        state: State,
        weights: Tensors,
        batches: list[Batch],
        *,
        temperature: float = 1.0,
        mode: str = "train",
    ) -> Iterator[Tensor]:
        """Compute the loss of each batch, which can be differentiated by `weights`.

        Dropout is off. In the mode "train" BatchNorm normalises by the batch as in training,
        because its running averages mean nothing at initialisation; in "eval" it normalises by
        them all the same. `weights` replace some of the state's weights, `temperature` divides
        the logits.
        """

    def outputs(self, tensors: Tensors, inputs: Tensor) -> Tensor:
        """Return the outputs in evaluation mode with all weights and buffers as given."""


@dataclass(frozen=True)
class NetworkProbe:
    """A network with training examples that are tensors in memory.

    Args:
        network: the copy, on the device and in the type to compute in.
        train: the training examples on the same device.
        loss: mean loss of (logits, targets).
        input_shape: shape of one example.
    """

    network: nn.Module
    train: Split
    loss: Loss
    input_shape: tuple[int, ...]

    def batches(
        self,
        num_batches: int,
        batch_size: int,
        generator: torch.Generator,
        *,
        per_class: bool = False,
    ) -> list[Batch]:
        """Draw different training examples: (inputs, targets) of each batch, not augmented.

        With `per_class` the classes take turns, so that a batch has as many examples of each.
        """
        wanted = num_batches * batch_size
        if wanted > len(self.train):
            raise ValueError(f"{wanted} of {len(self.train)} training examples to score on")
        rows = torch.randperm(len(self.train), generator=generator)
        rows = (_by_turns(rows, self.train.targets) if per_class else rows)[:wanted]
        chosen = torch.split(rows.to(self.train.targets.device), batch_size)
        first = next(self.network.parameters())
        pairs = [self.train.batch(batch) for batch in chosen]
        if self.train.has_tokens:
            return pairs
        return [(inputs.to(first.dtype), targets) for inputs, targets in pairs]

    def losses(
        self,
        state: State,
        weights: Tensors,
        batches: list[Batch],
        *,
        temperature: float = 1.0,
        mode: str = "train",
    ) -> Iterator[Tensor]:
        """Compute the loss of each batch."""
        tensors = on_device_of(self.network, state.weights) | weights
        for inputs, targets in batches:
            with scoring(self.network, mode):
                here = tensors | copied_buffers(self.network, state)
                logits = functional_call(self.network, here, inputs)
            yield self.loss(logits / temperature, targets)

    def outputs(self, tensors: Tensors, inputs: Tensor) -> Tensor:
        """Return the outputs in evaluation mode with all weights and buffers as given."""
        found: Tensor = functional_call(self.network.eval(), tensors, inputs)
        return found


def copied_buffers(network: nn.Module, state: State) -> Tensors:
    """Copy a state's buffers to a network's device: BatchNorm writes its averages into them."""
    return {name: b.clone() for name, b in on_device_of(network, state.buffers).items()}


@contextmanager
def scoring(network: nn.Module, mode: str = "train") -> Iterator[None]:
    """Let BatchNorm work as in training, or with `mode` "eval" not, and all else as in evaluation.

    cuDNN's recurrent layers have no gradients in evaluation mode; others take their place.
    """
    network.eval()
    if mode == "train":
        for layer in network.modules():
            layer.training = isinstance(layer, nn.modules.batchnorm._BatchNorm)
    recurrent = any(isinstance(layer, nn.RNNBase) for layer in network.modules())
    with torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext():
        yield


def on_device_of(network: nn.Module, tensors: Tensors) -> Tensors:
    """Copy tensors to a network's device, those of floating point to its type."""
    first = next(network.parameters())
    return {
        name: tensor.to(first.device, first.dtype if tensor.is_floating_point() else None)
        for name, tensor in tensors.items()
    }


def _by_turns(rows: Tensor, targets: Tensor) -> Tensor:
    """Order rows so that the classes take turns; within a class their order stays.

    Example:
        >>> _by_turns(torch.tensor([4, 0, 1, 2, 3]), torch.tensor([0, 0, 0, 0, 1])).tolist()
        [4, 0, 1, 2, 3]
        >>> _by_turns(torch.tensor([0, 1, 2, 3, 4]), torch.tensor([0, 0, 0, 0, 1])).tolist()
        [0, 4, 1, 2, 3]
    """
    classes = targets.cpu()[rows]
    turn = torch.empty_like(classes)
    for label in range(int(classes.max()) + 1):
        of_class = classes == label
        turn[of_class] = torch.arange(int(of_class.sum()))
    return rows[turn.argsort(stable=True)]


MakeProbe = Callable[[torch.dtype], Probe]  # from the type to compute in


def no_probe(_: torch.dtype) -> Probe:
    """Refuse to make a probe, for prunings without a network."""
    raise ValueError("this criterion runs the network, but there is none here")


def differentiable(probe: Probe, weights: Tensors) -> Tensors:
    """Copy weights to the probe's device, so that gradients can be taken by the copies."""
    return {
        name: weight.detach().clone().requires_grad_()
        for name, weight in on_device_of(probe.network, weights).items()
    }


def to_scores(names: Tensors, values: list[Tensor]) -> Tensors:
    """Return values, which are in the order of `names`, by name and in CPU memory."""
    return copy_to_cpu(dict(zip(names, values, strict=True)))

"""The network with training data, for criteria that look at gradients."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lottery.data import Split
from lottery.models.state import State
from lottery.tasks import Loss
from lottery.tensors import Tensors, copy_to_cpu

Batch = tuple[Tensor, Tensor]  # inputs and targets


@dataclass(frozen=True)
class Probe:
    """A copy of the network for a criterion to run, so that the run's own network is untouched.

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

    def _kernels(self) -> AbstractContextManager[Any]:
        """Avoid cuDNN's recurrent layers, which have no gradients in evaluation mode."""
        recurrent = any(isinstance(layer, nn.RNNBase) for layer in self.network.modules())
        return torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()

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

    def on_device(self, tensors: Tensors) -> Tensors:
        """Copy tensors to the network's device, those of floating point to its type."""
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
        self.network.eval()
        if mode == "train":
            for layer in self.network.modules():
                layer.training = isinstance(layer, nn.modules.batchnorm._BatchNorm)
        others = self.on_device(state.weights)
        for inputs, targets in batches:
            # clones, because BatchNorm writes its averages into them
            buffers = {n: b.clone() for n, b in self.on_device(state.buffers).items()}
            with self._kernels():
                logits = functional_call(self.network, {**others, **weights, **buffers}, inputs)
            yield self.loss(logits / temperature, targets)


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
        for name, weight in probe.on_device(weights).items()
    }


def to_scores(names: Tensors, values: list[Tensor]) -> Tensors:
    """Return values, which are in the order of `names`, by name and in CPU memory."""
    return copy_to_cpu(dict(zip(names, values, strict=True)))

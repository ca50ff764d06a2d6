"""ES, the step at which early stopping would have ended a round."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from lottery.measure.evaluate import Evaluation
from lottery.models.state import State, all_buffers
from lottery.tensors import Tensors


@dataclass
class EsPoint:
    """The evaluation with the lowest validation loss, the first one at ties.

    Without validation data it is the last one.

    The fields are what a checkpoint keeps, under these names. The network at ES stays in its
    device's memory: the host does not wait for a copy at every new minimum.
    """

    es_step: int = -1
    es_weights: Tensors = field(default_factory=dict)
    es_buffers: Tensors = field(default_factory=dict)
    at_es: dict[str, float | None] = field(default_factory=dict)
    lowest: float = math.inf
    without_minimum: int = 0  # evaluations since the lowest loss

    @property
    def state(self) -> State:
        """The network at ES, in CPU memory."""
        return State(_on_cpu(self.es_weights), _on_cpu(self.es_buffers))

    def is_new_minimum(self, val_loss: float) -> bool:
        """Return whether a validation loss is the lowest so far; count those that are not."""
        minimum = val_loss < self.lowest
        self.without_minimum = 0 if minimum else self.without_minimum + 1
        return minimum

    def keep(
        self, step: int, network: nn.Module, val: Evaluation | None, test: Evaluation
    ) -> None:
        """Keep the network and its evaluations."""
        self.es_step = step
        _keep(self.es_weights, dict(network.named_parameters()))
        _keep(self.es_buffers, all_buffers(network))
        if val is None:
            self.at_es = {"val": None, "test": test.score}
            return
        self.lowest = val.loss
        self.at_es = {"val": val.score, "test": test.score, "val_loss": val.loss}

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        state = self.state
        return vars(self) | {"es_weights": state.weights, "es_buffers": state.buffers}

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        for name in vars(self):
            setattr(self, name, state[name])


def _keep(kept: Tensors, tensors: Tensors) -> None:
    """Copy tensors over those that are kept; keep copies if there are none on the same device."""
    new = {name: tensor.detach() for name, tensor in tensors.items()}
    devices = {tensor.device for tensor in kept.values()}  # a checkpoint's are on the CPU
    if devices and devices == {tensor.device for tensor in new.values()}:
        torch._foreach_copy_([kept[name] for name in new], list(new.values()))
    else:
        kept.update({name: tensor.clone() for name, tensor in new.items()})


def _on_cpu(tensors: Tensors) -> Tensors:
    return {name: tensor.cpu() for name, tensor in tensors.items()}

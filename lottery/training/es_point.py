"""ES, the step at which early stopping would have ended a round."""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from lottery.measure.evaluate import Evaluation
from lottery.models.state import State, read_state
from lottery.tensors import Tensors


@dataclass
class EsPoint:
    """The evaluation with the lowest validation loss, the first one at ties.

    Without validation data it is the last one.

    The fields are what a checkpoint keeps, under these names.
    """

    es_step: int = -1
    es_weights: Tensors = field(default_factory=dict)
    es_buffers: Tensors = field(default_factory=dict)
    at_es: dict[str, float | None] = field(default_factory=dict)
    lowest: float = math.inf
    without_minimum: int = 0  # evaluations since the lowest loss

    @property
    def state(self) -> State:
        """The network at ES."""
        return State(self.es_weights, self.es_buffers)

    def is_new_minimum(self, val_loss: float) -> bool:
        """Return whether a validation loss is the lowest so far; count those that are not."""
        minimum = val_loss < self.lowest
        self.without_minimum = 0 if minimum else self.without_minimum + 1
        return minimum

    def keep(
        self, step: int, network: nn.Module, val: Evaluation | None, test: Evaluation
    ) -> None:
        """Keep the network and its evaluations."""
        state = read_state(network)
        self.es_step, self.es_weights, self.es_buffers = step, state.weights, state.buffers
        if val is None:
            self.at_es = {"val": None, "test": test.score}
            return
        self.lowest = val.loss
        self.at_es = {"val": val.score, "test": test.score, "val_loss": val.loss}

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        for name in vars(self):
            setattr(self, name, state[name])

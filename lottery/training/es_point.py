"""ES, the point of a round at which early stopping would have stopped it."""

import math
from typing import Any

from torch import Tensor, nn

from lottery.data import Splits
from lottery.measure.evaluate import Evaluation, class_averages
from lottery.models.state import State, read_state


class EsPoint:
    """The evaluation with the lowest validation loss, the first one at ties."""

    def __init__(self) -> None:
        self.step = -1
        self.state: State | None = None
        self.without_minimum = 0  # evaluations since then
        self._lowest = math.inf
        self._values: dict[str, float] = {}
        self._predictions: dict[str, Tensor] = {}

    def is_new_minimum(self, val_loss: float) -> bool:
        """Return whether a validation loss is the lowest so far, and count those that are not."""
        minimum = val_loss < self._lowest
        self.without_minimum = 0 if minimum else self.without_minimum + 1
        return minimum

    def keep(self, step: int, network: nn.Module, val: Evaluation, test: Evaluation) -> None:
        """Keep the network and its evaluations at a new minimum."""
        self.step = step
        self.state = read_state(network)
        self._lowest = val.loss
        self._values = {"val": val.accuracy, "test": test.accuracy, "val_loss": val.loss}
        self._predictions = {"val": val.predictions, "test": test.predictions}

    def measured(self, splits: Splits) -> dict[str, float]:
        """Return `val`, `val_loss`, `test`, and the class averages of both splits."""
        # The averages cost more than the evaluation, so they are made for the last minimum only.
        averages: dict[str, float] = {}
        for prefix, name in (("val_", "val"), ("", "test")):
            targets = getattr(splits, name).targets
            predicted = self._predictions[name].to(targets.device)
            found = class_averages(predicted, targets, splits.num_classes)
            averages |= {f"{prefix}{score}": value for score, value in found.items()}
        return self._values | averages

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "es_step": self.step,
            "es_weights": self.state.weights if self.state else {},
            "es_buffers": self.state.buffers if self.state else {},
            "at_es": self._values,
            "predicted_at_es": self._predictions,
            "lowest": self._lowest,
            "without_minimum": self.without_minimum,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        self.step = state["es_step"]
        if state["es_weights"]:
            self.state = State(state["es_weights"], state["es_buffers"])
        self._values = state["at_es"]
        self._predictions = state["predicted_at_es"]
        self._lowest = state["lowest"]
        self.without_minimum = state["without_minimum"]

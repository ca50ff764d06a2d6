"""Metrics of the user's (`task.metrics`): of torchmetrics, or with the same three methods."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from lottery.data import Split, Splits
from lottery.measure.evaluate import all_batches, evaluating


class Metric(Protocol):
    """Collects outputs and targets, a batch at a time."""

    def reset(self) -> None:
        """Forget what was collected."""
        ...

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Collect a batch."""
        ...

    def compute(self) -> Any:
        """Return the metric of all that was collected."""
        ...


def collect(metric: Metric, outputs: Tensor, targets: Tensor) -> None:
    """Give a metric a batch in CPU memory; single outputs and targets as (batch,)."""
    if outputs.shape[1:] == (1,):
        outputs, targets = outputs.squeeze(1), targets.reshape(len(targets))
    metric.update(outputs.cpu(), targets.cpu())


def measure_own(
    network: nn.Module, splits: Splits, metrics: Mapping[str, Metric]
) -> dict[str, float | None]:
    """Return `val_<name>` and `<name>` of each metric; None where it is no number.

    Without validation data only the second ones. Each process measures all examples: metrics of
    users cannot be added up.
    """
    found: dict[str, float | None] = {}
    for prefix, split in (("val_", splits.val), ("", splits.test)):
        if len(split) == 0:
            continue
        values = _measure(network, split, metrics)
        found |= {f"{prefix}{name}": value for name, value in values.items()}
    return found


def _measure(
    network: nn.Module, split: Split, metrics: Mapping[str, Metric]
) -> dict[str, float | None]:
    for metric in metrics.values():
        metric.reset()
    with evaluating(network):
        for _, outputs, targets in all_batches(network, split):
            for metric in metrics.values():
                collect(metric, outputs, targets)
    values = {name: float(metric.compute()) for name, metric in metrics.items()}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}

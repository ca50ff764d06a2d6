"""`task.metrics`: metrics of the user's, tried on two examples."""

import warnings
from collections.abc import Mapping

from lottery.config.groups import Task as TaskSettings
from lottery.config.instantiate import check_made, make
from lottery.config.rules import first_line
from lottery.config.task import example_of
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.measure.own_metrics import Metric, collect
from lottery.record.schema import COLUMNS
from lottery.tasks import Task


def build_metrics(settings: TaskSettings, task: Task, splits: Splits) -> Mapping[str, Metric]:
    """Return the metrics by name; each must give one number, under a name that is free."""
    if not settings.metrics:
        return {}
    taken = {*COLUMNS, *_further_names(task, splits)}
    metrics = {}
    for name, node in settings.metrics.items():
        key = f"task.metrics.{name}"
        columns = {name, f"val_{name}"}
        if columns & taken:
            raise ConfigError(f"{key}: the results have a column of this name; choose another")
        taken |= columns
        metric: Metric = make(node, key)
        check_made(metric, node, key, "reset", "update", "compute")
        if hasattr(metric, "distributed_available_fn"):  # each process has all examples
            metric.distributed_available_fn = lambda: False
        outputs, targets = example_of(task, splits)
        try:
            with warnings.catch_warnings(action="ignore"):
                collect(metric, outputs, targets)
                float(metric.compute())
        except Exception as error:
            what = f"{type(error).__name__}: {first_line(error)}"
            raise ConfigError(f"{key}: gives no number for two examples: {what}") from error
        metrics[name] = metric
    return metrics


def _further_names(task: Task, splits: Splits) -> set[str]:
    """Return the names of the task's own further metrics, by measuring two examples."""
    outputs, targets = example_of(task, splits)
    return set(task.further(task.details(outputs, targets), targets, splits))

"""`task`: what the network is trained for, with the loss that `model.loss` names."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lottery.config.groups import Model
from lottery.config.groups import Task as TaskSettings
from lottery.config.instantiate import bind, check_made, make
from lottery.config.rules import first_line
from lottery.config.run_key import ADDED_LATER
from lottery.data import DataError, Splits
from lottery.errors import ConfigError
from lottery.tasks import Binary, Classification, Loss, Task

ONE_LOGIT = "binary_cross_entropy"
METHODS = ("score", "prepare", "output_shape", "losses", "parts", "score_of", "details", "further")


def build_task(settings: TaskSettings, model: Model) -> Task:
    """Return the task; a loss of one logit makes it the binary one, as before there were tasks."""
    node = {"_target_": ADDED_LATER["task._target_"], **settings.node}
    task: Task = make(node, "task")
    check_made(task, node, "task", *METHODS)
    if not isinstance(task, Classification) or model.loss != ONE_LOGIT:
        return task
    if task.has_options:
        raise ConfigError(
            f"model.loss={ONE_LOGIT}: takes neither task.label_smoothing nor task.class_weights"
        )
    return Binary(outputs=1)


def name_of(task: Task) -> str:
    """Return the task's name for users: a class `LanguageModel` is `language_model`."""
    words = [f"_{c.lower()}" if c.isupper() else c for c in type(task).__name__]
    return "".join(words).removeprefix("_")


def prepare_splits(splits: Splits, task: Task) -> Splits:
    """Return the splits with targets as the task takes them."""
    try:
        return task.prepare(splits)
    except DataError as error:
        raise ConfigError(f"dataset: {error}; task={name_of(task)}") from error


def example_of(task: Task, splits: Splits) -> tuple[Tensor, Tensor]:
    """Return outputs, which are zero, and targets of two examples, to try a function on."""
    return torch.zeros(2, *task.output_shape(splits)), splits.train.targets[:2].cpu()


def build_loss(
    model: Model, task: Task, splits: Splits, *, device: torch.device, dtype: torch.dtype
) -> Loss:
    """Return the loss: one of the task's by name, or any function by `_target_`.

    A loss that is a module goes to the device of the outputs and the type of the weights.
    """
    loss = _find_loss(model, task, splits)
    outputs, targets = example_of(task, splits)
    try:
        with warnings.catch_warnings(action="ignore"):
            value = loss(outputs, targets)
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"model.loss={model.loss}: a function of outputs and targets: {first_line(error)}"
        ) from error
    if value.shape != ():
        raise ConfigError(f"model.loss={model.loss}: one number expected, got {value.shape}")
    return loss.to(device, dtype) if isinstance(loss, nn.Module) else loss


def _find_loss(model: Model, task: Task, splits: Splits) -> Loss:
    try:
        losses = task.losses(splits)
    except ValueError as error:
        raise ConfigError(f"task.{error}") from error
    if isinstance(model.loss, Mapping):
        return _own_loss(model.loss, task)
    if model.loss not in losses:
        raise ConfigError(
            f"model.loss={model.loss}: {', '.join(losses)}, or a function by _target_; "
            f"task={name_of(task)}"
        )
    return losses[model.loss]


def _own_loss(node: Mapping[str, Any], task: Task) -> Loss:
    if isinstance(task, Classification) and task.has_options:
        raise ConfigError(
            "task.label_smoothing and task.class_weights: need model.loss=cross_entropy"
        )
    call = bind(node, "model.loss")
    # a class makes the loss, a function is the loss itself
    made: Loss = make(node, "model.loss") if isinstance(call.func, type) else call
    return made

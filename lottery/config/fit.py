"""How a round is trained: optimizer, schedule, loss, evaluation."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from lottery.config.device import dtype_of
from lottery.config.groups import Optimizer as OptimizerSettings
from lottery.config.instantiate import bind, check_made, make, run_call
from lottery.config.loggers import build_callback_maker
from lottery.config.metrics import build_metrics
from lottery.config.network import set_memory_format
from lottery.config.rules import first_line, show
from lottery.config.settings import Settings
from lottery.config.targets import Node, load_target
from lottery.config.task import build_loss
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.masks import Masks
from lottery.progress import Progress
from lottery.record.run_dir import RunDir
from lottery.signals import StopRequest
from lottery.tasks import Task
from lottery.tensors import Tensors
from lottery.training import DataOrder, Device, LightningFit, Optimization
from lottery.training.evaluation import EvaluationSchedule
from lottery.training.loggers import RunLoggers
from lottery.training.optimization import MakeOptimizer
from lottery.training.schedules import Schedule
from lottery.training.stacked import Meeting


def build_fit(
    settings: Settings,
    *,
    run_dir: RunDir,
    device: Device,
    network: nn.Module,
    splits: Splits,
    task: Task,
    load_splits: Callable[[], Splits],
    loggers: RunLoggers,
    progress: Progress,
    stop: StopRequest,
    draw_scores: Callable[[int, Masks], Tensors] | None,
    meeting: Meeting | None,
) -> LightningFit:
    """Return what trains a run's rounds."""
    if len(splits.val) == 0:
        _check_without_validation(settings)
    set_memory_format(network, device.accelerator)
    if device.compile:
        network.compile()  # in place: the parameters keep their names
    steps_per_epoch = settings.dataset.steps_per_epoch(len(splits.train))
    return LightningFit(
        network=network,
        load_splits=load_splits,
        loss=build_loss(
            settings.model,
            task,
            splits,
            device=device.torch_device,
            dtype=dtype_of(device.precision),
        ),
        task=task,
        metrics=build_metrics(settings.task, task, splits),
        optimization=Optimization(
            make_optimizer=build_optimizer_maker(settings.optimizer, device.torch_device),
            schedule=build_schedule(
                settings.scheduler,
                num_steps=settings.iterations.steps(steps_per_epoch),
                steps_per_epoch=steps_per_epoch,
            ),
            clip_norm=settings.optimizer.clip_norm,
        ),
        data_order=DataOrder(
            batch_size=settings.dataset.batch_size,
            seed=settings.seed_for("order"),
            augmentation_seed=settings.seed_for("augmentation"),
            fixed=settings.dataset.order == "fixed",
        ),
        evaluation=EvaluationSchedule(
            every=settings.evaluation.every.steps(steps_per_epoch),
            test_curve=settings.evaluation.test_curve,
            patience=settings.early_stopping.patience,
        ),
        device=device,
        make_callbacks=build_callback_maker(settings, run_dir),
        open_loggers=loggers.round,
        progress=progress,
        run_dir=run_dir,
        checkpoint_seconds=settings.checkpoint.every_seconds,
        stop=stop,
        draw_scores=draw_scores,
        meeting=meeting,
    )


def _check_without_validation(settings: Settings) -> None:
    """Refuse what follows the validation loss."""
    asked = ""
    if settings.early_stopping.patience is not None:
        asked = f"early_stopping.patience={settings.early_stopping.patience}"
    elif hasattr(load_target(settings.scheduler, "scheduler"), "after"):
        asked = f"scheduler._target_={settings.scheduler['_target_']}"
    if asked:
        raise ConfigError(
            f"{asked}: follows the validation loss, and dataset.val_share=0 leaves no validation "
            "data"
        )


def build_schedule(node: Node, *, num_steps: int, steps_per_epoch: int) -> Schedule:
    """Return the schedule; a copy is tried first, which may not read a text like '5ep'."""

    def make_schedule() -> Schedule:
        schedule: Schedule = make(
            node, "scheduler", num_steps=num_steps, steps_per_epoch=steps_per_epoch
        )
        check_made(schedule, node, "scheduler", "__call__")
        return schedule

    try:
        make_schedule()(0)
    except TypeError as error:
        declared = getattr(load_target(node, "scheduler"), "durations", ())
        for name, value in node.items():
            texts = value if isinstance(value, list) else [value]
            if name not in declared and any(re.fullmatch(r"\d+(ep|it)", str(t)) for t in texts):
                raise ConfigError(
                    f"scheduler.{name}={show(value)}: {first_line(error)}; with the class "
                    f'attribute durations = ("{name}",) the schedule gets numbers of steps'
                ) from error
        raise
    return make_schedule()


def build_optimizer_maker(settings: OptimizerSettings, device: torch.device) -> MakeOptimizer:
    """Return a function from parameters to a new optimizer, which takes its arguments.

    With `decay_norms=false` weight decay leaves out all parameters of one dimension: the biases,
    and the scales of norm layers.
    """
    make_optimizer = bind(settings.node, "optimizer")
    weight = nn.Parameter(torch.zeros(1, device=device))
    try:
        tried = run_call(partial(make_optimizer, [weight]), "optimizer", settings.node)
        if not isinstance(tried, Optimizer):
            target = f"optimizer._target_={settings.node['_target_']}"
            raise ConfigError(f"{target}: not a torch.optim.Optimizer")
        if type(tried).__module__.startswith("torch."):  # some refuse at the first step only
            weight.grad = torch.zeros_like(weight)
            tried.step()
    except (RuntimeError, TypeError, AssertionError, ValueError) as error:
        if not str(settings.node["_target_"]).startswith("torch."):
            raise
        raise ConfigError(f"optimizer: {first_line(error)}") from error
    if settings.decay_norms:
        return make_optimizer

    def make_with_groups(parameters: Iterable[nn.Parameter]) -> Optimizer:
        parameters = list(parameters)
        decayed = [parameter for parameter in parameters if parameter.ndim > 1]
        others = [parameter for parameter in parameters if parameter.ndim < 2]
        groups: list[dict[str, Any]] = [{"params": decayed}, {"params": others, "weight_decay": 0}]
        optimizer: Optimizer = make_optimizer([group for group in groups if group["params"]])
        return optimizer

    return make_with_groups

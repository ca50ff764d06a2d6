"""How a round is trained: optimizer, schedule, loss, evaluation."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from lottery.config.device import dtype_of
from lottery.config.groups import Node
from lottery.config.instantiate import bind, make, run_call
from lottery.config.loggers import build_callback_maker, build_logger_maker
from lottery.config.network import build_loss, set_memory_format
from lottery.config.settings import Settings
from lottery.data import Splits
from lottery.progress import Progress
from lottery.record.run_dir import RunDir
from lottery.signals import StopRequest
from lottery.training import Device, LightningFit
from lottery.training.evaluation import EvaluationSchedule
from lottery.training.module import MakeOptimizer


def build_fit(
    settings: Settings,
    *,
    run_dir: RunDir,
    device: Device,
    network: nn.Module,
    splits: Splits,
    load_splits: Callable[[], Splits],
    progress: Progress,
    stop: StopRequest,
) -> LightningFit:
    """Return what trains a run's rounds."""
    set_memory_format(network, device.accelerator)
    if device.compile:
        network.compile()  # in place: the parameters keep their names
    steps_per_epoch = len(splits.train) // settings.dataset.batch_size
    return LightningFit(
        network=network,
        load_splits=load_splits,
        loss=build_loss(
            settings.model,
            splits.num_classes,
            device=device.torch_device,
            dtype=dtype_of(device.precision),
        ),
        make_optimizer=build_optimizer_maker(settings.optimizer.node),
        schedule=make(settings.scheduler, "scheduler", steps_per_epoch=steps_per_epoch),
        clip_norm=settings.optimizer.clip_norm,
        batch_size=settings.dataset.batch_size,
        order_seed=settings.seed_for("order"),
        augmentation_seed=settings.seed_for("augmentation"),
        fixed_order=settings.dataset.order == "fixed",
        evaluation=EvaluationSchedule(
            every=settings.evaluation.every.steps(steps_per_epoch),
            test_curve=settings.evaluation.test_curve,
            patience=settings.early_stopping.patience,
        ),
        device=device,
        make_callbacks=build_callback_maker(settings.callbacks, run_dir),
        make_loggers=build_logger_maker(settings.logger, run_dir),
        progress=progress,
        run_dir=run_dir,
        checkpoint_seconds=settings.checkpoint.every_seconds,
        stop=stop,
    )


def build_optimizer_maker(node: Node) -> MakeOptimizer:
    """Return a function from parameters to a new optimizer."""
    make_optimizer = bind(node, "optimizer")
    run_call(partial(make_optimizer, [nn.Parameter(torch.zeros(1))]), "optimizer", node)
    return make_optimizer

"""`module=supervised`: our LightningModule over the groups model, task, optimizer, scheduler."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytorch_lightning as pl

from lottery.config.device import dtype_of, synchronized
from lottery.config.fit import build_optimizer_maker, build_schedule
from lottery.config.instantiate import make
from lottery.config.module import ModuleSetup, build_data_maker, look_at
from lottery.config.network import Networks, set_up_networks
from lottery.config.settings import Settings
from lottery.config.task import build_loss, build_task, prepare_splits
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.tasks import Task
from lottery.training import Device
from lottery.training.native import ImageStream, MetricNames
from lottery.training.native.supervised import TEST, VAL, VAL_LOSS
from lottery.training.schedules import Schedule


@dataclass(frozen=True)
class SupervisedMaker:
    """Makes our module with random weights: `maker()`."""

    settings: Settings
    device: Device
    networks: Networks
    task: Task
    splits: Splits
    schedule: Schedule

    def __call__(self) -> pl.LightningModule:
        """Make the module around a new network."""
        settings, device = self.settings, self.device
        network = synchronized(self.networks.make(), device)
        if device.compile:
            network.compile()  # in place: the parameters keep their names
        assert settings.module is not None
        offered: dict[str, Any] = {
            "network": network,
            "loss": build_loss(
                settings.model,
                self.task,
                self.splits,
                device=device.torch_device,
                dtype=self.networks.dtype,
            ),
            "task": self.task,
            "splits": self.splits,
            "make_optimizer": build_optimizer_maker(settings.optimizer, device.torch_device),
            "schedule": self.schedule,
        }
        module: pl.LightningModule = make(settings.module, "module", **offered)
        return module.to(dtype_of(device.precision))


def set_up_supervised(settings: Settings, device: Device) -> ModuleSetup:
    """Make our module over a stream, and check one batch of each of its loops."""
    make_data = build_data_maker(settings, device)
    stream = make_data.stream
    assert stream is not None  # `check_module_settings` wants one
    task = build_task(settings.task, settings.model)
    splits = prepare_splits(stream.outline(), task)
    networks = set_up_networks(settings, splits, task, device)
    if networks.base is not None:
        raise ConfigError(
            f"{networks.make.target}: a head over a frozen base, whose features are kept in "
            "memory; accepted with module=supervised: whole networks"
        )
    maker = SupervisedMaker(settings, device, networks, task, splits, _schedule(settings, stream))
    make_initial = partial(drawn, maker, networks.seed)
    lower = MetricNames(VAL, TEST, VAL_LOSS, lower_is_better=True, score=task.score.metric)
    clip = settings.optimizer.clip_norm
    clipping = {} if clip is None else {"gradient_clip_val": clip}
    return ModuleSetup(
        fresh=partial(networks.state, settings.seed_for("init")),
        make_initial=make_initial,
        make_data=make_data,
        network=networks.network,
        names=lower,
        score=task.score,
        seen=look_at("module=supervised", make_initial(), make_data(), settings, device, lower),
        count=networks.counter(),
        options={**clipping, **settings.trainer.lightning},
        splits=splits,
        task=task,
        notes=networks.notes,
    )


def _schedule(settings: Settings, stream: ImageStream) -> Schedule:
    steps_per_epoch = len(stream.rows["train"]) // stream.batch_size
    schedule = build_schedule(
        settings.scheduler,
        num_steps=settings.iterations.steps(steps_per_epoch),
        steps_per_epoch=steps_per_epoch,
    )
    if hasattr(schedule, "after"):
        raise ConfigError(
            f"scheduler={type(schedule).__name__.lower()}: follows the validation loss, which "
            "module=supervised does not give it; accepted: schedules of the step"
        )
    return schedule

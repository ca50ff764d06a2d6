"""`trainer.graph`: whether a run's steps are captured and replayed, or what stands in the way."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from torch.optim import SGD, Adam, AdamW

from lottery.config.settings import Settings
from lottery.errors import ConfigError
from lottery.training import Device, LightningFit
from lottery.training.graphed import ORDINARY
from lottery.training.schedules import Schedule

log = logging.getLogger(__name__)

LOOKED_AT = 1000  # steps whose learning rates are compared with later ones
KNOWN = ("torch", "lottery")  # packages whose networks do the same at every step


def with_graph(fit: LightningFit, settings: Settings, num_steps: int) -> LightningFit:
    """Return the fit with captured steps, if they are asked for and nothing stands in the way.

    Raises:
        ConfigError: `trainer.graph=true`, and something does.
    """
    asked = settings.trainer.graph
    if asked is False or (asked == "auto" and (fit.device.accelerator == "cpu" or fit.meeting)):
        return fit  # runs that are trained as one share their steps
    obstacle = _of_device(fit.device) or _of_training(fit, settings, num_steps)
    if asked == "auto":
        obstacle = obstacle or _of_users_code(fit, settings)
    if obstacle is None:
        return replace(fit, device=replace(fit.device, graph=asked))
    if asked is True:
        raise ConfigError(f"trainer.graph=true: {obstacle}; accepted: auto, false")
    log.info("trainer.graph=auto: %s; steps are made kernel by kernel", obstacle)
    return fit


def _of_device(device: Device) -> str | None:
    if device.accelerator == "cpu" or device.num_processes > 1:
        return "only on one GPU"
    if not device.deterministic:
        return "not with trainer.deterministic=false, where a captured step cannot be compared"
    if device.data_on_gpu is False:
        return "not with trainer.data_on_gpu=false: a captured step takes no inputs from the host"
    return "not with trainer.compile=true" if device.compile else None


def _of_training(fit: LightningFit, settings: Settings, num_steps: int) -> str | None:
    if settings.dynamic is not None:
        return "not with dynamic, by which masks move"
    if fit.draw_scores is not None:
        return "not with criterion=edge_popup, which trains no weights"
    optimizer = fit.optimization.optimizer(fit.network)
    groups = optimizer.param_groups
    if type(optimizer) not in (SGD, Adam, AdamW) or not all(group["fused"] for group in groups):
        return "only with torch.optim's SGD, Adam or AdamW, with optimizer.fused=true"
    if not all(isinstance(group["lr"], int | float) for group in groups):
        return "only with an optimizer.lr that is a number"
    if not _stays(fit.optimization.schedule_after([]), num_steps):
        return "only with a scheduler whose rate stays the same for some steps"
    return None


def _stays(schedule: Schedule, num_steps: int) -> bool:
    last = max(1, num_steps - ORDINARY)
    steps = range(0, last, max(1, last // LOOKED_AT))
    return any(schedule(step) == schedule(step + ORDINARY) for step in steps)


def _of_users_code(fit: LightningFit, settings: Settings) -> str | None:
    """Return the first code that may count its calls or hook into steps: a replay calls none."""
    kinds = [type(layer) for layer in fit.network.modules()]
    names = [f"{kind.__module__}.{kind.__name__}" for kind in kinds]
    loss = settings.model.loss
    nodes = [*([loss] if isinstance(loss, Mapping) else []), *settings.callbacks.values()]
    names += [str(node.get("_target_")) for node in nodes]
    foreign = [name for name in names if name.partition(".")[0] not in KNOWN]
    return f"{foreign[0]} may do something at every step; true trusts it" if foreign else None

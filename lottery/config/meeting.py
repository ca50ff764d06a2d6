"""Whether a run is trained as one network with the other runs of its group."""

import logging

import torch
from torch.func import functional_call, vmap

from lottery.config.network import Networks
from lottery.config.rules import first_line
from lottery.config.settings import Settings
from lottery.training import Device
from lottery.training.stacked import Meeting, current_meeting

log = logging.getLogger(__name__)

PRECISIONS = ("32-true", "64-true")
# Each moves a weight by its own gradients alone, whatever else its tensor holds.
OPTIMIZERS = ("torch.optim.Adam", "torch.optim.AdamW", "torch.optim.SGD")
LOGGERS = tuple(f"pytorch_lightning.loggers.{name}Logger" for name in ("TensorBoard", "CSV"))
ON_CPU = (
    "the runs are trained as one network; on CPUs this takes 0.8 to 1.2 times as long as alone "
    "(docs/how-to/sweeps.md)"
)


def find_meeting(
    settings: Settings, networks: Networks, device: Device, *, learns_masks: bool
) -> Meeting | None:
    """Return where the runs of this process meet; None if there are none or this is no such run.

    Why it is none, is logged.
    """
    meeting = current_meeting.get()
    if meeting is None:
        return None
    reason = _why_of_settings(settings, device, learns_masks) or _why_of_network(networks)
    if reason:
        log.info("trained alone, not as one with other runs: %s", reason)
        return None
    if device.accelerator == "cpu":
        meeting.tell(ON_CPU)
    return meeting


def _why_of_settings(settings: Settings, device: Device, learns_masks: bool) -> str:
    """Return why a run cannot be trained as one network with others; "" if it can."""
    optimizer = str(settings.optimizer.node["_target_"])
    loggers = [str(node["_target_"]) for node in settings.logger.values()]
    reasons = {
        f"trainer.devices={device.num_processes}": device.num_processes > 1,
        f"trainer.precision={device.precision}": device.precision not in PRECISIONS,
        "trainer.compile=true": device.compile,
        "trainer.graph=true": device.graph is True,
        f"optimizer={optimizer}": optimizer not in OPTIMIZERS,
        f"logger={', '.join(loggers)}": not set(loggers) <= set(LOGGERS),
        "callbacks": bool(settings.callbacks),
        "dynamic": settings.dynamic is not None,
        "its masks are learned": learns_masks,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _why_of_network(networks: Networks) -> str:
    network, inputs = networks.network, networks.make.inputs(2)
    if any(True for _ in network.buffers()):
        return "its network has buffers, such as the averages of BatchNorm"
    weights = {name: torch.stack([w.detach()] * 2) for name, w in network.named_parameters()}
    try:
        with torch.no_grad():
            vmap(functional_call, in_dims=(None, 0, None))(network, weights, (inputs,))
    except (RuntimeError, ValueError, TypeError) as error:
        if "random" in str(error):
            return "its network draws random numbers, as dropout does"
        return f"its network cannot be one with another: {first_line(error)}"
    return ""

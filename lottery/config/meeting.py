"""Whether a run is trained as one network with the other runs of its group."""

import logging
from collections.abc import Mapping

import torch
from torch.func import functional_call, vmap

from lottery.config.network import Networks
from lottery.config.rules import first_line, show
from lottery.config.settings import Settings
from lottery.training import Device
from lottery.training.stacked import Meeting, current_meeting

log = logging.getLogger(__name__)

# Keys and groups in which the runs of a group may differ: they change no step but its numbers.
MAY_DIFFER = {
    "adopt",
    "criterion",
    "keep",
    "pruning",
    "reinit",
    "rounds",
    "scope",
    "seed",
    "seeds",
}
PRECISIONS = ("32-true", "64-true")
# Each moves a weight by its own gradients alone, whatever else its tensor holds.
OPTIMIZERS = ("torch.optim.Adam", "torch.optim.AdamW", "torch.optim.SGD")
LOGGERS = tuple(f"pytorch_lightning.loggers.{name}Logger" for name in ("TensorBoard", "CSV"))
ON_CPU = (
    "the runs are trained as one network; on CPUs this takes 0.8 to 1.2 times as long as alone "
    "(docs/how-to/sweeps.md)"
)


def find_meeting(
    settings: Settings,
    networks: Networks,
    device: Device,
    *,
    data: Mapping[str, str],
    learns_masks: bool,
) -> Meeting | None:
    """Return where the runs of this process meet; None if there are none or this is no such run.

    Why it is none, is logged. `data` are the data's digests.
    """
    meeting = current_meeting.get()
    if meeting is None:
        return None
    reason = (
        _why_of_settings(settings, device, learns_masks)
        or _why_of_network(networks)
        or _why_of_others(settings, data, meeting)
    )
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
        "trainer.graph=true": settings.trainer.graph is True,
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


def _why_of_others(settings: Settings, data: Mapping[str, str], meeting: Meeting) -> str:
    """Compare a run with the first of its group: all take their batches from one run's data.

    Overrides that are equal can have different values, such as `dataset.split_seed=${seed}`.
    """
    flat = settings.canonical.items()
    values = {name: value for name, value in flat if name.partition(".")[0] not in MAY_DIFFER}
    values |= {f"digest of {name}": digest for name, digest in data.items()}
    name = meeting.first_other(values)
    shown = f"{name}={show(values.get(name))}"
    return f"{shown} is not that of the group's first run" if name else ""

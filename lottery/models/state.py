"""The state of a network, read and written by name: where a training starts and ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from lottery.errors import LotteryError
from lottery.generators import drawn
from lottery.models.synced_batchnorm import SyncedBatchNorm
from lottery.tensors import Tensors, copy_to_cpu


class OtherNetwork(LotteryError, ValueError):
    """Stored weights do not fit a network."""


@dataclass(frozen=True)
class State:
    """A network at one step."""

    weights: Tensors  # every parameter by name, including biases and frozen ones
    buffers: Tensors  # every buffer by name (BatchNorm's statistics)
    optimizer: Tensors = field(default_factory=dict)  # by "fc1.weight/exp_avg"; empty = fresh
    generators: Tensors = field(default_factory=dict)  # of random numbers; empty = to be seeded
    val_losses: Sequence[float] = ()  # of the training's evaluations, for a schedule to follow


@dataclass(frozen=True)
class Start:
    """The start of a round's training; weights, buffers and optimizer as in `State`."""

    weights: Tensors  # dense
    buffers: Tensors
    first_step: int  # on the round's clock, which data order and ES follow
    num_steps: int  # steps to train
    schedule_step: int  # position in the learning-rate schedule
    optimizer_state: Tensors
    generators: Tensors = field(default_factory=dict)  # for a round with the dense run's batches
    rate_stays: bool = False  # True keeps the learning rate of `schedule_step` for all steps
    val_losses: Sequence[float] = ()  # of evaluations up to the first step

    @property
    def last_step(self) -> int:
        """The last step to train, on the round's clock."""
        return self.first_step + self.num_steps

    @property
    def optimizer_steps(self) -> int | None:
        """How many steps the optimizer's state counts, 0 if it counts none; None: it is fresh."""
        counts = [v for name, v in self.optimizer_state.items() if name.endswith("/step")]
        return max(map(int, counts), default=0) if self.optimizer_state else None


def start_at(state: State, num_steps: int, step: int = 0, *, restore: bool = False) -> Start:
    """Return the start of a training of `num_steps` in all that is in `state` after `step`.

    With `restore` it has the optimizer's state too.
    """
    return Start(
        weights=state.weights,
        buffers=state.buffers,
        first_step=step,
        num_steps=num_steps - step,
        schedule_step=step,
        optimizer_state=state.optimizer if restore else {},
        generators=state.generators,
        val_losses=state.val_losses,
    )


def rest_of(start: Start, state: State, step: int) -> Start:
    """Return the rest of a training that is in `state` after `step`."""
    made = step - start.first_step
    return replace(
        start,
        weights=state.weights,
        buffers=state.buffers,
        first_step=step,
        num_steps=start.num_steps - made,
        schedule_step=start.schedule_step + (0 if start.rate_stays else made),
        optimizer_state=state.optimizer,
        val_losses=[*start.val_losses, *state.val_losses],
    )


def read_state(network: nn.Module, optimizer: Optimizer | None = None) -> State:
    """Copy a network's state, and its optimizer's state if one is given."""
    weights = dict(network.named_parameters())
    entries = {} if optimizer is None else _read_optimizer(network, optimizer)
    return State(copy_to_cpu(weights), copy_to_cpu(all_buffers(network)), copy_to_cpu(entries))


def all_buffers(network: nn.Module) -> Tensors:
    """Return a network's buffers, including those that its state dict leaves out."""
    parameters = dict(network.named_parameters(remove_duplicate=False))
    persistent = {name: t for name, t in network.state_dict().items() if name not in parameters}
    return persistent | dict(network.named_buffers())


def own_statistics(network: nn.Module) -> list[Tensor]:
    """Return the running averages that each rank makes of its own part of the batches."""
    return [
        buffer
        for layer in network.modules()
        if isinstance(layer, _BatchNorm)
        and not isinstance(layer, SyncedBatchNorm | nn.SyncBatchNorm)
        for buffer in layer.buffers()
    ]


def write_state(network: nn.Module, state: State) -> None:
    """Copy weights and buffers into a network of the same names and shapes."""
    here = dict(network.named_parameters()) | all_buffers(network)
    stored = state.weights | state.buffers
    if here.keys() != stored.keys():
        differing = sorted(here.keys() ^ stored.keys())
        raise OtherNetwork(f"the stored weights fit another network: {', '.join(differing)}")
    for name, tensor in here.items():
        if tensor.shape != stored[name].shape:
            raise OtherNetwork(
                f"{name}: stored with shape {tuple(stored[name].shape)}, "
                f"the network has {tuple(tensor.shape)}"
            )
    with torch.no_grad():
        for name, tensor in here.items():
            tensor.copy_(stored[name])


def fresh_state(make_network: Callable[[], nn.Module], seed: int) -> State:
    """Return the state of a new network that is drawn from `seed` alone."""
    return read_state(drawn(make_network, seed))


def _read_optimizer(network: nn.Module, optimizer: Optimizer) -> Tensors:
    return {
        f"{name}/{entry}": torch.as_tensor(value)
        for name, parameter in network.named_parameters()
        for entry, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }


def write_optimizer(network: nn.Module, optimizer: Optimizer, entries: Tensors) -> None:
    """Give an optimizer over parameters of `network` a stored state, by the parameters' names."""
    if not entries:
        return
    by_id = {id(parameter): name for name, parameter in network.named_parameters()}
    # torch numbers parameters group by group, and there may be several groups
    names = [by_id[id(p)] for group in optimizer.param_groups for p in group["params"]]
    states: dict[int, Tensors] = {}
    for key, value in entries.items():
        name, entry = key.rsplit("/", 1)
        # load_state_dict does not copy: the stored tensors would be trained in place
        states.setdefault(names.index(name), {})[entry] = value.clone()
    load_optimizer(optimizer, {**optimizer.state_dict(), "state": states})


def load_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Load an optimizer's state and give each entry the memory format of its weight.

    Fused optimizers read both in the order of memory, which may be torch.channels_last. Files
    have lost this order, and a checkpoint may come from another device.
    """
    optimizer.load_state_dict(state)
    for parameter, entries in optimizer.state.items():
        for name, value in entries.items():
            same_shape = isinstance(value, Tensor) and value.shape == parameter.shape
            if same_shape and value.stride() != parameter.stride():
                formatted = torch.empty_like(parameter.detach(), dtype=value.dtype)
                entries[name] = formatted.copy_(value)

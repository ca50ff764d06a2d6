"""`model`: the network, which must fit the data and the task."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn

from lottery.config.check_seeds import check_seeds
from lottery.config.device import dtype_of, has_batch_norm, synchronized
from lottery.config.frozen_base import FrozenBase, find_base
from lottery.config.network_maker import NetworkMaker, build_network_maker
from lottery.config.rules import first_line
from lottery.config.settings import Settings
from lottery.config.start_weights import StartWeights, read_start_weights
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.masks import Masks
from lottery.measure.flops import count_flops, find_products, make_counter
from lottery.models.state import State, fresh_state
from lottery.seeds import derive_seed
from lottery.tasks import Task
from lottery.training import Device


@dataclass(frozen=True)
class Networks:
    """The networks of a run: how one is drawn, and the one that lives through all rounds."""

    make: NetworkMaker
    seed: int  # of the initial network
    network: nn.Module
    input_shape: tuple[int, ...]  # of features if there is a frozen base
    input_dtype: torch.dtype | None  # of tokens, else None
    base: FrozenBase | None
    dtype: torch.dtype  # of the weights
    start_weights: StartWeights | None  # of a checkpoint (`model.init_from`)
    notes: list[str]  # for the user

    def state(self, init_seed: int, *purpose: str | int) -> State:
        """Return a random network for a purpose; the initial one is the checkpoint's, if any."""
        drawn_state = fresh_state(self.make, derive_seed(init_seed, *purpose))
        is_initial = purpose == ("init",)
        if self.start_weights is None or not is_initial:
            return drawn_state
        return self.start_weights.over(drawn_state)

    def counter(self) -> Callable[[Masks], dict[str, Any]]:
        """Return a function that counts parameters and operations under masks."""
        frozen_flops = self.base.flops() if self.base else 0
        try:
            return make_counter(
                self.network,
                input_shape=self.input_shape,
                frozen_flops=frozen_flops,
                input_dtype=self.input_dtype,
            )
        except (RuntimeError, ValueError, IndexError) as error:
            line = first_line(error)
            raise ConfigError(f"{self.make.target}: fails on a batch of one: {line}") from error

    def step_flops(self, batch_size: int) -> int:
        """Count the FLOPs of a training step; a backward pass has twice those of a forward one."""
        products = find_products(self.network, self.input_shape, self.input_dtype)
        return 3 * batch_size * sum(count_flops(products, {}).values())


def set_up_networks(settings: Settings, splits: Splits, task: Task, device: Device) -> Networks:
    """Make the network, checked to fit the data, and find its frozen base."""
    init = settings.seed_for("init")
    input_shape = splits.input_shape
    if base := find_base(settings.model, input_shape, derive_seed(init, "base")):
        input_shape = base.feature_shape
        base.check(splits, fetch=not settings.dry_run)
    dtype = dtype_of(device.precision)
    output_shape = task.output_shape(splits)
    make_network = build_network_maker(
        settings.model,
        input_shape=input_shape,
        output_shape=output_shape,
        num_tokens=splits.num_tokens,
        dtype=dtype,
    )
    # Every round writes its weights, but how its layers are connected may be drawn too.
    seed = derive_seed(init, "init")
    network = synchronized(drawn(make_network, seed), device)
    notes = [] if make_network.is_ours else check_seeds(make_network, seed)
    if dtype == torch.bfloat16 and has_batch_norm(network):
        notes.append(
            "trainer.precision=bf16-true: BatchNorm's running averages have 8 bits and stop "
            "moving within 2 % of their goal; bf16-mixed keeps them in 32 bits"
        )
    start_weights = None
    if settings.model.init_from is not None:
        start_weights = read_start_weights(settings.model.init_from, network, output_shape[-1])
        draws_later = settings.reinit.get("_target_") == "lottery.reinit.Random"
        notes += start_weights.notes(draws_later=draws_later)
    return Networks(
        make=make_network,
        seed=seed,
        network=network,
        input_shape=input_shape,
        input_dtype=splits.input_dtype,
        base=base,
        dtype=dtype,
        start_weights=start_weights,
        notes=notes,
    )


def set_memory_format(network: nn.Module, accelerator: str) -> nn.Module:
    """Set the memory format in place: torch.channels_last on CPUs. It affects the last bits.

    Convolutions on CPUs then take a fifth less time.
    """
    for tensor in chain(network.parameters(), network.buffers()):
        if accelerator == "cpu" and tensor.ndim == 4:  # others, of Conv3d for example, have none
            tensor.data = tensor.to(memory_format=torch.channels_last)
    return network

"""`model`: the network, which must fit the data, and its loss."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn

from lottery.config.check_seeds import check_seeds
from lottery.config.device import dtype_of, normalizes, synchronized
from lottery.config.frozen_base import FrozenBase, find_base
from lottery.config.groups import Model
from lottery.config.instantiate import bind, make
from lottery.config.network_maker import NetworkMaker, build_network_maker, count_outputs
from lottery.config.rules import first_line
from lottery.config.settings import Settings
from lottery.config.start_weights import StartWeights, read_start_weights
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.masks import Masks
from lottery.measure.evaluate import Loss, binary_cross_entropy
from lottery.measure.flops import make_counter
from lottery.models.state import State, fresh_state
from lottery.seeds import derive_seed
from lottery.training import Device

# Losses of logits. nll_loss, for example, would take logits for logarithms of probabilities.
LOSSES: dict[str, Loss] = {
    "cross_entropy": nn.functional.cross_entropy,
    "multi_margin_loss": nn.functional.multi_margin_loss,
    "binary_cross_entropy": binary_cross_entropy,
}


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


def set_up_networks(settings: Settings, splits: Splits, device: Device) -> Networks:
    """Make the network, checked to fit the data, and find its frozen base."""
    init = settings.seed_for("init")
    input_shape = splits.input_shape
    if base := find_base(settings.model, input_shape, derive_seed(init, "base")):
        input_shape = base.feature_shape
        base.check(splits, fetch=not settings.dry_run)
    dtype = dtype_of(device.precision)
    make_network = build_network_maker(
        settings.model,
        input_shape=input_shape,
        num_classes=splits.num_classes,
        num_tokens=splits.num_tokens,
        dtype=dtype,
    )
    # Every round writes its weights, but how its layers are connected may be drawn too.
    seed = derive_seed(init, "init")
    network = synchronized(drawn(make_network, seed), device)
    notes = [] if make_network.is_ours else check_seeds(make_network, seed)
    if dtype == torch.bfloat16 and normalizes(network):
        notes.append(
            "trainer.precision=bf16-true: BatchNorm's running averages have 8 bits and stop "
            "moving within 2 % of their goal; bf16-mixed keeps them in 32 bits"
        )
    start_weights = None
    if settings.model.init_from is not None:
        num_outputs = count_outputs(settings.model, splits.num_classes)
        start_weights = read_start_weights(settings.model.init_from, network, num_outputs)
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


def build_loss(model: Model, num_classes: int, device: torch.device, dtype: torch.dtype) -> Loss:
    """Return the loss: a function of torch.nn.functional by name, or any by `_target_`.

    A loss that is a module goes to the device of the logits and the type of the weights.
    """
    loss = _find_loss(model)
    logits = torch.zeros(2, count_outputs(model, num_classes))
    try:
        with warnings.catch_warnings(action="ignore"):
            value = loss(logits, torch.zeros(2, dtype=torch.long))
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"model.loss={model.loss}: a function of logits and class numbers: {first_line(error)}"
        ) from error
    if value.shape != ():
        raise ConfigError(f"model.loss={model.loss}: one number expected, got {value.shape}")
    return loss.to(device, dtype) if isinstance(loss, nn.Module) else loss


def _find_loss(model: Model) -> Loss:
    if isinstance(model.loss, Mapping):
        call = bind(model.loss, "model.loss")
        # a class makes the loss, a function is the loss itself
        made: Loss = make(model.loss, "model.loss") if isinstance(call.func, type) else call
        return made
    if model.loss not in LOSSES:
        accepted = ", ".join(LOSSES)
        raise ConfigError(f"model.loss={model.loss}: {accepted}, or a function by _target_")
    return LOSSES[model.loss]

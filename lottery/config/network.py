"""`model`: the network, which must fit the data, and its loss."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lottery.config.device import dtype_of, synchronized
from lottery.config.frozen_base import FrozenBase, find_base
from lottery.config.groups import Model
from lottery.config.instantiate import bind, make
from lottery.config.rules import first_line
from lottery.config.settings import Settings
from lottery.config.targets import load_target
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.masks import Masks
from lottery.measure.evaluate import Loss, binary_cross_entropy
from lottery.measure.flops import make_counter
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

    make: Callable[[], nn.Module]
    network: nn.Module
    input_shape: tuple[int, ...]  # of features if there is a frozen base
    input_dtype: torch.dtype | None  # of tokens, else None
    base: FrozenBase | None
    dtype: torch.dtype  # of the weights

    def counter(self) -> Callable[[Masks], dict[str, Any]]:
        """Return a function that counts parameters and operations under masks."""
        return make_counter(
            self.network,
            input_shape=self.input_shape,
            frozen_flops=self.base.flops() if self.base else 0,
            input_dtype=self.input_dtype,
        )


def set_up_networks(settings: Settings, splits: Splits, device: Device) -> Networks:
    """Make the network, checked to fit the data, and find its frozen base."""
    seed = derive_seed(settings.seed_for("init"), "base")
    input_shape = splits.input_shape
    if base := find_base(settings.model, input_shape, seed):
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
    with torch.random.fork_rng(devices=[]):  # every round writes its weights
        network = synchronized(make_network(), device)
    return Networks(
        make=make_network,
        network=network,
        input_shape=input_shape,
        input_dtype=splits.input_dtype,
        base=base,
        dtype=dtype,
    )


def build_network_maker(
    model: Model,
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    num_tokens: int | None,
    dtype: torch.dtype,
) -> Callable[[], nn.Module]:
    """Return a function that makes the network with random weights, checked to fit the data."""
    target = f"model._target_={model.node.get('_target_')}"
    num_outputs = count_outputs(model, num_classes)
    node = dict(model.node)
    if hasattr(load_target(node, "model"), "frozen_base"):
        node.pop("weights", None)  # those of the base

    offered: dict[str, Any] = {"input_shape": input_shape, "num_classes": num_outputs}
    example, tokens = torch.zeros(2, *input_shape, dtype=dtype), ""
    if num_tokens is not None:
        offered["num_tokens"] = num_tokens
        # the highest token, for which an embedding must have a row
        example = torch.full((2, *input_shape), num_tokens - 1)
        tokens = f" of tokens 0 to {num_tokens - 1}"

    def make_network() -> nn.Module:
        network = make(node, "model", **offered)
        if not isinstance(network, nn.Module):
            raise ConfigError(f"{target}: not a torch.nn.Module")
        return network.to(dtype)

    try:
        logits = _forward(make_network, example)
    except (RuntimeError, ValueError, IndexError) as error:
        raise ConfigError(
            f"{target}: does not fit the dataset's input shape {input_shape}{tokens}: "
            f"{first_line(error)}"
        ) from error
    if logits.shape != (2, num_outputs):
        wanted = f"the dataset has {num_classes} classes"
        if num_outputs == 1:
            wanted = "model.loss=binary_cross_entropy needs one"
        raise ConfigError(f"{target}: gives {tuple(logits.shape[1:])} outputs, {wanted}")
    return make_network


def _forward(make_network: Callable[[], nn.Module], inputs: torch.Tensor) -> torch.Tensor:
    """Return logits from a forward pass on the meta device, which costs nothing.

    A network that looks at values cannot run there and runs on the CPU, as do tokens.
    """

    def forward_on(device: str) -> torch.Tensor:
        with torch.device(device), torch.random.fork_rng(devices=[]), torch.no_grad():
            network = make_network().eval()
            logits: torch.Tensor = network(inputs.to(device))
            return logits

    if inputs.dtype == torch.long:
        return forward_on("cpu")
    try:
        return forward_on("meta")
    except RuntimeError as error:
        if "meta" not in str(error).lower():
            raise
    return forward_on("cpu")


def set_memory_format(network: nn.Module, accelerator: str) -> nn.Module:
    """Set the memory format in place: torch.channels_last on CPUs. It affects the last bits."""
    # convolutions on CPUs then take a fifth less time
    if accelerator == "cpu":
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's types
    return network


def count_outputs(model: Model, num_classes: int) -> int:
    """Return the number of logits: one per class, or one for two classes."""
    if model.loss != "binary_cross_entropy":
        return num_classes
    if num_classes != 2:
        raise ConfigError(
            f"model.loss=binary_cross_entropy: for two classes, the dataset has {num_classes}; "
            "accepted: cross_entropy"
        )
    return 1


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

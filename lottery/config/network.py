"""`model`: the network, made to fit the data, and its loss."""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from lottery.config.groups import without
from lottery.config.instantiate import load_target, make
from lottery.errors import ConfigError
from lottery.measure.evaluate import Loss, binary_cross_entropy

# Losses of logits; nll_loss, say, would take logits for logarithms of probabilities.
LOSSES: dict[str, Loss] = {
    "cross_entropy": nn.functional.cross_entropy,
    "multi_margin_loss": nn.functional.multi_margin_loss,
    "binary_cross_entropy": binary_cross_entropy,
}

# Keys that stand in the group for the user's convenience and are no argument of its `_target_`.
MODEL_KEYS = ("loss", "rates")
BASE_KEYS = ("weights",)  # of a network with a frozen base


def build_network_maker(
    node: Mapping[str, Any],
    input_shape: tuple[int, ...],
    num_classes: int,
    dtype: torch.dtype,
    num_tokens: int | None = None,
) -> Callable[[], nn.Module]:
    """`model`: a function that makes a new network each time, checked to fit the data.

    Args:
        node: the group.
        input_shape: of one example.
        num_classes: of the dataset.
        dtype: of the weights.
        num_tokens: how many tokens there are, where the inputs are tokens.

    Raises:
        ConfigError: wrong arguments, or the network does not take the inputs or give the classes.
    """
    num_outputs = count_outputs(node, num_classes)
    has_base = hasattr(load_target(node, "model"), "frozen_base")
    arguments = without(node, (*MODEL_KEYS, *BASE_KEYS) if has_base else MODEL_KEYS)
    offered = {"input_shape": input_shape, "num_classes": num_outputs}
    if num_tokens is not None:
        offered["num_tokens"] = num_tokens

    def make_network() -> nn.Module:
        network = make(arguments, "model", **offered)
        if not isinstance(network, nn.Module):
            raise ConfigError(f"model._target_={node['_target_']}: not a torch.nn.Module")
        return network.to(dtype)

    try:
        logits = _forward(make_network, _example(input_shape, dtype, num_tokens))
    except (RuntimeError, ValueError, IndexError) as error:
        first_line = str(error).splitlines()[0]
        tokens = "" if num_tokens is None else f" of tokens 0 to {num_tokens - 1}"
        raise ConfigError(
            f"model._target_={node['_target_']}: does not fit the dataset's "
            f"input shape {input_shape}{tokens}: {first_line}"
        ) from error
    if logits.shape != (2, num_outputs):
        wanted = f"the dataset has {num_classes} classes"
        if num_outputs == 1:
            wanted = "model.loss=binary_cross_entropy is of one"
        raise ConfigError(
            f"model._target_={node['_target_']}: gives {tuple(logits.shape[1:])} outputs, {wanted}"
        )
    return make_network


def laid_out(network: nn.Module, accelerator: str) -> nn.Module:
    """The network as it lies in a run's memory, in place; its last bits depend on that.

    On CPUs convolutions take a fifth less time in torch.channels_last.
    """
    if accelerator == "cpu":
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def count_outputs(node: Mapping[str, Any], num_classes: int) -> int:
    """How many logits the network gives: one per class, or one for two classes.

    Args:
        node: the group `model`.
        num_classes: of the dataset.

    Raises:
        ConfigError: `model.loss=binary_cross_entropy` for more than two classes.
    """
    if node.get("loss") != "binary_cross_entropy":
        return num_classes
    if num_classes != 2:
        raise ConfigError(
            f"model.loss=binary_cross_entropy: for two classes, the dataset has {num_classes}; "
            "accepted: cross_entropy"
        )
    return 1


def _example(
    input_shape: tuple[int, ...], dtype: torch.dtype, num_tokens: int | None
) -> torch.Tensor:
    """Two inputs: of zeros, or of the highest token, for which an embedding must have a row."""
    if num_tokens is None:
        return torch.zeros(2, *input_shape, dtype=dtype)
    return torch.full((2, *input_shape), num_tokens - 1)


def _forward(make_network: Callable[[], nn.Module], inputs: torch.Tensor) -> torch.Tensor:
    """Logits of some examples, on the meta device: no memory, no arithmetic, no random numbers.

    A network that looks at values cannot be run there, and is run on the CPU; so is one of tokens,
    whose values must be looked at.
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


def build_loss(node: Mapping[str, Any], num_classes: int) -> Loss:
    """`model.loss`: a function of torch.nn.functional by name, or any by `_target_`.

    Raises:
        ConfigError: there is none of that name, or it is none of logits and class numbers.
    """
    named = node.get("loss", "cross_entropy")
    loss = _find_loss(named)
    logits = torch.zeros(2, count_outputs(node, num_classes))
    targets = torch.zeros(2, dtype=torch.long)
    try:
        with warnings.catch_warnings(action="ignore"):
            value = loss(logits, targets)
    except (RuntimeError, ValueError, TypeError) as error:
        first_line = str(error).splitlines()[0]
        raise ConfigError(
            f"model.loss={named}: a function of logits and class numbers: {first_line}"
        ) from error
    if value.shape != ():
        raise ConfigError(f"model.loss={named}: one number expected, got {value.shape}")
    return loss


def _find_loss(loss: Any) -> Loss:
    if isinstance(loss, Mapping):
        return partial(load_target(loss, "model.loss"), **without(loss, ("_target_",)))
    if loss not in LOSSES:
        raise ConfigError(f"model.loss={loss}: {', '.join(LOSSES)}, or a function by _target_")
    return LOSSES[str(loss)]

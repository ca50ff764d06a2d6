"""`model`: the network, which must fit the data, and its loss."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from lottery.config.check_network import TakeLogits, check_network, check_output, shapes_of
from lottery.config.check_seeds import check_seeds
from lottery.config.device import dtype_of, synchronized
from lottery.config.frozen_base import FrozenBase, find_base
from lottery.config.groups import Model
from lottery.config.instantiate import bind, make
from lottery.config.rules import first_line
from lottery.config.settings import Settings
from lottery.config.targets import load_target
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.generators import drawn, kept_generators
from lottery.masks import Masks
from lottery.measure.evaluate import Loss, binary_cross_entropy, evaluating
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
    seed: int  # of the initial network
    network: nn.Module
    input_shape: tuple[int, ...]  # of features if there is a frozen base
    input_dtype: torch.dtype | None  # of tokens, else None
    base: FrozenBase | None
    dtype: torch.dtype  # of the weights
    notes: list[str]  # for the user

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
    notes = []
    if not str(settings.model.node["_target_"]).startswith("lottery."):
        make_inputs = partial(_random_inputs, input_shape, splits.num_tokens, dtype)
        notes = check_seeds(make_network, make_inputs, seed=seed, target=_named(settings.model))
    return Networks(
        make=make_network,
        seed=seed,
        network=network,
        input_shape=input_shape,
        input_dtype=splits.input_dtype,
        base=base,
        dtype=dtype,
        notes=notes,
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
    target, num_outputs = _named(model), count_outputs(model, num_classes)
    node = dict(model.node)
    if hasattr(load_target(node, "model"), "frozen_base"):
        node.pop("weights", None)  # those of the base
    offered: dict[str, Any] = {"input_shape": input_shape, "num_classes": num_outputs}
    if num_tokens is not None:
        offered["num_tokens"] = num_tokens

    def make_network() -> nn.Module:
        network = make(node, "model", **offered)
        if not isinstance(network, nn.Module):
            raise ConfigError(f"{target}: not a torch.nn.Module")
        check_network(network, target)
        if model.logits is not None:
            network.register_forward_hook(TakeLogits(model.logits))
        return network.to(dtype)

    def make_inputs(batch: int) -> Tensor:
        if num_tokens is None:
            return torch.zeros(batch, *input_shape, dtype=dtype)
        # the highest token, for which an embedding must have a row
        return torch.full((batch, *input_shape), num_tokens - 1)

    def make_by_forward() -> nn.Module:
        """Make a network whose layers, or their shapes, come from its first forward pass."""
        network = make_network()
        with evaluating(network):
            network(make_inputs(2))
        check_network(network, target)
        return network.to(dtype)

    def keeps_its_shapes(make: Callable[[], nn.Module]) -> bool:
        """Run a network in both modes and check it; tell whether parameters stay as they are."""
        network = make()
        before = shapes_of(network)
        for mode, batch in (("evaluation", 2), ("training", 3)):
            network.train(mode == "training")
            outputs = check_output(network(make_inputs(batch)), target, mode)
            if outputs.shape != (batch, num_outputs):
                wanted = f"the dataset has {num_classes} classes"
                if num_outputs == 1:
                    wanted = "model.loss=binary_cross_entropy needs one"
                raise ConfigError(f"{target}: gives {tuple(outputs.shape[1:])} outputs, {wanted}")
        return shapes_of(network) == before

    try:
        for maker in (make_network, make_by_forward):
            if _without_cost(partial(keeps_its_shapes, maker), on_cpu=num_tokens is not None):
                return maker
    except (RuntimeError, ValueError, IndexError) as error:
        tokens = "" if num_tokens is None else f" of tokens 0 to {num_tokens - 1}"
        raise ConfigError(
            f"{target}: does not fit the dataset's input shape {input_shape}{tokens}: "
            f"{first_line(error)}"
        ) from error
    raise ConfigError(
        f"{target}: each forward pass changes the names or shapes of its parameters or buffers; "
        "make them in the constructor"
    )


def _named(model: Model) -> str:
    return f"model._target_={model.node.get('_target_')}"


def _random_inputs(shape: tuple[int, ...], num_tokens: int | None, dtype: torch.dtype) -> Tensor:
    if num_tokens is None:
        return torch.rand(4, *shape, dtype=dtype)
    return torch.randint(num_tokens, (4, *shape))


def _without_cost(run: Callable[[], bool], *, on_cpu: bool) -> bool:
    """Run a forward pass on the meta device, which costs nothing, else on the CPU.

    A network that looks at values cannot run on the meta device, and tokens are looked up.
    """

    def run_on(device: str) -> bool:
        with torch.device(device), kept_generators(), torch.no_grad():
            return run()

    if on_cpu:
        return run_on("cpu")
    try:
        return run_on("meta")
    except (RuntimeError, TypeError) as error:
        if "meta" not in str(error).lower():
            raise
    return run_on("cpu")


def set_memory_format(network: nn.Module, accelerator: str) -> nn.Module:
    """Set the memory format in place: torch.channels_last on CPUs. It affects the last bits.

    Convolutions on CPUs then take a fifth less time.
    """
    for tensor in chain(network.parameters(), network.buffers()):
        if accelerator == "cpu" and tensor.ndim == 4:  # others, of Conv3d for example, have none
            tensor.data = tensor.to(memory_format=torch.channels_last)
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

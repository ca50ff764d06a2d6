"""What a network must be so that its training is right; checked before round 0."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from itertools import chain
from typing import Any

from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from lottery.errors import ConfigError
from lottery.masks import LAYERS

MAY_BE_PRUNED = (*LAYERS, nn.MultiheadAttention, nn.RNNBase)


@dataclass(frozen=True)
class TakeLogits:
    """A forward hook that takes the logits out of what a network returns (`model.logits`).

    A tensor is the logits itself: some networks return more in training mode only.
    """

    at: int | str

    def __call__(self, network: nn.Module, inputs: Any, output: Any) -> Any:
        """Return the logits."""
        if isinstance(output, Tensor):
            return output
        try:
            if isinstance(self.at, str) and not isinstance(output, Mapping):
                return getattr(output, self.at)
            return output[self.at]
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            returned = _describe(output)
            raise ConfigError(f"model.logits={self.at}: forward returns {returned}") from error


def check_network(network: nn.Module, target: str) -> None:
    """Refuse weights that no mask can hold, states that no file can, and other calls."""
    if isinstance(network, LightningModule) and is_overridden("training_step", network):
        raise ConfigError(
            f"{target}: a LightningModule, whose training_step and configure_optimizers would not "
            "be used; name it as module._target_, or the plain nn.Module inside it here"
        )
    try:
        signature(network.forward).bind(None)
    except TypeError as error:
        raise ConfigError(f"{target}: forward gets the inputs alone: {error}") from error
    check_layers(network, target)


def check_layers(network: nn.Module, target: str) -> None:
    """Refuse layers whose weights no mask can hold, and states that no file can."""
    for path, layer in network.named_modules():
        for hook in layer._forward_pre_hooks.values():
            if isinstance(hook, BasePruningMethod):
                raise ConfigError(
                    f"{target}: {path}.{hook._tensor_name} is pruned by torch.nn.utils.prune "
                    "already; torch.nn.utils.prune.remove makes a plain weight of it"
                )
        if isinstance(layer, MAY_BE_PRUNED) and (name := _computed_weight(layer)):
            raise ConfigError(
                f"{target}: {path}.{name} is computed from other parameters in each forward pass, "
                "as by weight_norm or spectral_norm; only plain weights can be pruned: remove it"
            )
        if type(layer).get_extra_state is not nn.Module.get_extra_state:
            raise ConfigError(
                f"{target}: {path or 'the network'} has get_extra_state, and this state would not "
                "be stored; buffers are (register_buffer)"
            )
    for name, parameter in network.named_parameters():
        if parameter.is_complex():
            raise ConfigError(f"{target}: {name} has complex numbers; accepted: real ones")


def _computed_weight(layer: nn.Module) -> str | None:
    """Return the name of a weight that is not a parameter itself, or None."""
    hooks = layer._forward_pre_hooks.values()
    names = [hook.name for hook in hooks if isinstance(hook, WeightNorm | SpectralNorm)]
    names += getattr(layer, "parametrizations", {})
    if isinstance(layer, LAYERS) and "weight" not in layer._parameters:
        names.append("weight")
    return next((name for name in names if "weight" in name), None)


def check_output(output: Any, target: str, mode: str) -> Tensor:
    """Return what a network has returned if it is a tensor of real numbers."""
    if not isinstance(output, Tensor):
        first = next(iter(output), 0) if isinstance(output, Mapping) else 0
        raise ConfigError(
            f"{target}: in {mode} mode forward returns {_describe(output)}; model.logits names "
            f"the logits among them, such as model.logits={first}"
        )
    if not output.is_floating_point():
        raise ConfigError(f"{target}: forward returns {output.dtype}; logits are real numbers")
    return output


def _describe(output: Any) -> str:
    if isinstance(output, Mapping):
        return f"a dict with {', '.join(map(str, output))}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {len(output)}"
    return f"a {type(output).__name__}"


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...] | None]:
    """Return the shape of each parameter and buffer; None where the first forward makes it."""
    tensors = chain(network.named_parameters(), network.named_buffers())
    return {name: None if is_lazy(tensor) else tuple(tensor.shape) for name, tensor in tensors}

"""Features: what a layer of a network says of an example, as a row of numbers."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

from lottery.data import Split
from lottery.masks import LAYERS
from lottery.measure.evaluate import evaluating
from lottery.models.keras_names import keras_names

# What belongs to the layer before it, as the activation of a Keras layer does.
FOLLOWED = frozenset(
    (
        *("batch_norm", "group_norm", "instance_norm", "layer_norm"),
        *("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "elu", "elu_", "selu", "selu_"),
        *("gelu", "silu", "hardswish", "tanh", "tanh_", "sigmoid", "sigmoid_"),
        *("prelu", "celu", "celu_", "mish", "softplus", "hardtanh", "hardtanh_", "hardsigmoid"),
    )
)


class Truncated(nn.Module):
    """A network that is run no further than some of its layers, and gives their features.

    A layer's features are its output behind the norm and the activation that are applied directly
    to it: a Keras layer's output, whose activation is part of it. Of a convolution they are the
    means over the image (global average pooling), of a fully connected layer the units as they
    are. Of a layer that is called twice they are those of the first call.

    Args:
        network: any.
        layers: some of its layers by name.
    """

    def __init__(self, network: nn.Module, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if not layers:
            raise ValueError("layers: one or more")
        self.network = network
        self.layers = dict(layers)  # not a ModuleDict: their parameters would come twice

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Features (batch, channels or units) of each layer."""
        follow = _Follow(len(self.layers))
        hooks = [
            layer.register_forward_hook(partial(follow.begin, name))
            for name, layer in self.layers.items()
        ]
        try:
            with follow:
                self.network(inputs)
        except _AllThere:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        return {name: follow.features[name] for name in self.layers}


class _AllThere(Exception):
    """The features are known: the rest of the network need not be run."""


class _Follow(TorchFunctionMode):
    """Sees every operation of a forward pass, and follows the layers' outputs through some."""

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.features: dict[str, Tensor] = {}
        self._outputs: dict[str, Tensor] = {}
        self._done: set[str] = set()
        self._num_layers = num_layers

    def begin(self, name: str, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        """Follow the output of a layer, unless it is the layer's second; a forward hook."""
        if name not in self._outputs:
            self._keep(name, output)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):  # a look at a shape, say, uses nothing
            used, _ = tree_flatten((args, kwargs or {}))  # by a sum or torch.cat too
            for name, output in self._outputs.items():
                if name in self._done or not any(value is output for value in used):
                    continue
                if func.__name__ in FOLLOWED and used[0] is output:
                    self._keep(name, result)
                else:
                    self._done.add(name)
            if len(self._done) == self._num_layers:
                raise _AllThere
        return result

    def _keep(self, name: str, output: Tensor) -> None:
        # averaged at once: an operation in place may change the output afterwards
        self.features[name] = output.flatten(2).mean(2) if output.dim() > 2 else output.clone()
        self._outputs[name] = output


def choose_layers(network: nn.Module, asked: Iterable[str]) -> dict[str, nn.Module]:
    """Those of the asked layers that a network has, by the names of `layer_names`.

    Args:
        network: any.
        asked: names of modules; VGG-16's layers have Keras' names too, "block3_conv3".
    """
    ours = keras_names(network)
    wanted = {ours.get(name, name) for name in asked}
    return {
        label: network.get_submodule(name)
        for name, label in zip(_layers(network), layer_names(network), strict=True)
        if name in wanted
    }


def layer_names(network: nn.Module) -> list[str]:
    """Its Linear and Conv layers; VGG-16's by both names, "features.14 (block3_conv3)"."""
    keras = {name: theirs for theirs, name in keras_names(network).items()}
    return [f"{name} ({keras[name]})" if name in keras else name for name in _layers(network)]


def _layers(network: nn.Module) -> list[str]:
    return [name for name, m in network.named_modules() if name and isinstance(m, LAYERS)]


def compute_features(truncated: Truncated, split: Split, batch_size: int) -> dict[str, Tensor]:
    """Features of every example of a split, (n, channels or units), by layer, in CPU memory.

    Args:
        truncated: on the split's device.
        split: examples; they are not augmented.
        batch_size: examples at a time, whose activations must fit into memory.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in truncated.layers}
    with evaluating(truncated):
        for first in range(0, len(split), batch_size):
            inputs, _ = split.batch(slice(first, first + batch_size))
            for name, features in truncated(inputs).items():
                parts[name].append(features.float().cpu())
    return {name: torch.cat(batches) for name, batches in parts.items()}

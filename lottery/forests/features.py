"""Features: the activations of chosen layers, one row of numbers per example."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

from lottery.data import Split
from lottery.masks import LAYERS
from lottery.measure.evaluate import evaluating
from lottery.models.vgg_head import keras_names

# Operations that belong to the layer before them, as a Keras layer's activation does
NORMS = {"batch_norm", "group_norm", "instance_norm", "layer_norm"}
RECTIFIERS = {"relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu"}
SMOOTH = {"gelu", "silu", "mish", "softplus", "hardswish"}
SIGMOIDS = {"sigmoid", "hardsigmoid", "tanh", "hardtanh"}
FOLLOWED = NORMS | RECTIFIERS | SMOOTH | SIGMOIDS  # and in place: relu_
CONVOLUTIONS = {f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)}
PRODUCTS = CONVOLUTIONS | {"linear", "bilinear", "matmul", "mm", "bmm", "addmm", "einsum"}


class Truncated(nn.Module):
    """A network that runs only as far as some of its layers, and returns their features.

    A layer's features are its output after the norm and the activation that are applied directly
    to it, as in Keras, where the activation is part of the layer. A convolution's features are
    the means over the image (global average pooling); a fully connected layer's are its units.
    If a layer is called twice, its first call counts.
    """

    def __init__(self, network: nn.Module, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if not layers:
            raise ValueError("layers: one or more")
        self.network = network
        self.layers = dict(layers)  # not a ModuleDict: it would hold their parameters twice

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Return the features (batch, channels or units) of each layer."""
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
    """All features are known: the rest of the network need not run."""


class _Follow(TorchFunctionMode):
    """Sees every operation of a forward pass, and follows the layers' outputs through some."""

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.features: dict[str, Tensor] = {}
        self._outputs: dict[str, Tensor] = {}
        self._done: set[str] = set()
        self._num_layers = num_layers

    def begin(self, name: str, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        """Follow the first output of a layer; a forward hook."""
        if name not in self._outputs:
            self._keep(name, output)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        used, _ = tree_flatten((args, kwargs or {}))  # finds the terms of torch.cat too
        operation = func.__name__.strip("_")
        users = {
            name
            for name, output in self._outputs.items()
            if name not in self._done and any(value is output for value in used)
        }
        if operation in PRODUCTS:  # it would cost, and be counted as a part of the network
            self._end(users)
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):  # reading a shape, for example, uses nothing
            for name in users - self._done:
                if operation in FOLLOWED and used[0] is self._outputs[name]:
                    self._keep(name, result)
                else:
                    self._end({name})
        return result

    def _end(self, names: Collection[str]) -> None:
        self._done.update(names)
        if len(self._done) == self._num_layers:
            raise _AllThere

    def _keep(self, name: str, output: Tensor) -> None:
        # averaged at once: an in-place operation may change the output afterwards
        self.features[name] = output.flatten(2).mean(2) if output.dim() > 2 else output.clone()
        self._outputs[name] = output


def choose_layers(network: nn.Module, asked: Iterable[str]) -> dict[str, nn.Module]:
    """Return those of the asked layers that a network has, by the names of `layer_names`."""
    ours = keras_names(network)
    wanted = {ours.get(name, name) for name in asked}
    return {
        label: network.get_submodule(name)
        for name, label in zip(_layers(network), layer_names(network), strict=True)
        if name in wanted
    }


def layer_names(network: nn.Module) -> list[str]:
    """Return the names of Linear and Conv layers; VGG-16's as "features.14 (block3_conv3)"."""
    keras = {name: theirs for theirs, name in keras_names(network).items()}
    return [f"{name} ({keras[name]})" if name in keras else name for name in _layers(network)]


def _layers(network: nn.Module) -> list[str]:
    # attention uses the weight of its own Linear layer, but never calls that layer
    unused = nn.modules.linear.NonDynamicallyQuantizableLinear
    return [
        name
        for name, module in network.named_modules()
        if name and isinstance(module, LAYERS) and not isinstance(module, unused)
    ]


def features_by_layer(truncated: Truncated, split: Split, batch_size: int) -> dict[str, Tensor]:
    """Return the features of every example, (n, channels or units), by layer, in CPU memory.

    The activations of `batch_size` examples must fit into memory.
    """
    batches: dict[str, list[Tensor]] = {name: [] for name in truncated.layers}
    with evaluating(truncated):
        for first in range(0, len(split), batch_size):
            inputs, _ = split.batch(slice(first, first + batch_size))
            for name, features in truncated(inputs).items():
                batches[name].append(features.float().cpu())
    return {name: torch.cat(of_layer) for name, of_layer in batches.items()}

"""What makes a run's network, checked once: it fits the data and can be trained right."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from lottery.config.check_network import TakeLogits, check_network, check_output, shapes_of
from lottery.config.groups import Model
from lottery.config.instantiate import make
from lottery.config.rules import first_line
from lottery.config.targets import load_target
from lottery.errors import ConfigError
from lottery.generators import kept_generators
from lottery.masks import layer_weights
from lottery.measure.evaluate import evaluating
from lottery.models.init import draw_norms_, draw_weights_


@dataclass(frozen=True)
class NetworkMaker:
    """Makes a network with random weights: `maker()`."""

    model: Model
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]  # of one example
    num_tokens: int | None
    dtype: torch.dtype
    by_forward: bool = False  # the first forward pass makes layers, or their shapes

    @property
    def target(self) -> str:
        """The network's class, for messages."""
        return f"model._target_={self.model.node.get('_target_')}"

    @property
    def is_ours(self) -> bool:
        """Whether our own tests have checked what users' networks are checked for."""
        return str(self.model.node.get("_target_")).startswith("lottery.models.")

    def __call__(self) -> nn.Module:
        """Make the network; its first forward pass comes before its weights' type is set."""
        node = dict(self.model.node)
        if hasattr(load_target(node, "model"), "frozen_base"):
            node.pop("weights", None)  # those of the base
        offered: dict[str, Any] = {
            "input_shape": self.input_shape,
            "num_classes": self.output_shape[-1],
        }
        if self.num_tokens is not None:
            offered["num_tokens"] = self.num_tokens
        network = make(node, "model", **offered)
        if not isinstance(network, nn.Module):
            raise ConfigError(f"{self.target}: not a torch.nn.Module")
        check_network(network, self.target)
        if self.model.logits is not None:
            network.register_forward_hook(TakeLogits(self.model.logits))
        network = network.to(self.dtype)
        if self.by_forward:
            with evaluating(network):
                network(self.inputs(2))
            check_network(network, self.target)
        network = network.to(self.dtype)
        if self.model.init is not None:
            draw_weights_(layer_weights(network), self.model.init)
        if self.model.init_norms is not None:
            draw_norms_(network, self.model.init_norms)
        return network

    def inputs(self, batch: int) -> Tensor:
        """Return a batch of zeros; of the highest token, for which an embedding needs a row."""
        if self.num_tokens is None:
            return torch.zeros(batch, *self.input_shape, dtype=self.dtype)
        return torch.full((batch, *self.input_shape), self.num_tokens - 1)

    def random_inputs(self) -> Tensor:
        """Return a batch of random examples."""
        if self.num_tokens is None:
            return torch.rand(4, *self.input_shape, dtype=self.dtype)
        return torch.randint(self.num_tokens, (4, *self.input_shape))

    def runs(self) -> bool:
        """Run a new network in both modes and check its outputs.

        Returns:
            Whether its parameters and buffers keep their names and shapes.
        """
        network = self()
        before = shapes_of(network)
        modes = {"evaluation": 2} if self.is_ours else {"evaluation": 2, "training": 3}
        for mode, batch in modes.items():
            network.train(mode == "training")
            shape = check_output(network(self.inputs(batch)), self.target, mode).shape
            if shape != (batch, *self.output_shape):
                raise ConfigError(
                    f"{self.target}: gives {tuple(shape[1:])} outputs for an example; the task "
                    f"needs {self.output_shape}"
                )
        return shapes_of(network) == before


def build_network_maker(
    model: Model,
    *,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    num_tokens: int | None,
    dtype: torch.dtype,
) -> NetworkMaker:
    """Return what makes the network, checked to fit the data."""
    maker = NetworkMaker(model, input_shape, output_shape, num_tokens, dtype)
    try:
        for candidate in (maker, replace(maker, by_forward=True)):
            if _without_cost(candidate.runs, on_cpu=num_tokens is not None):
                return candidate
    except (RuntimeError, ValueError, IndexError) as error:
        tokens = "" if num_tokens is None else f" of tokens 0 to {num_tokens - 1}"
        raise ConfigError(
            f"{maker.target}: does not fit the dataset's input shape {input_shape}{tokens}: "
            f"{first_line(error)}"
        ) from error
    raise ConfigError(
        f"{maker.target}: each forward pass changes the names or shapes of its parameters or "
        "buffers; make them in the constructor"
    )


def _without_cost(run: Callable[[], bool], *, on_cpu: bool) -> bool:
    """Run forward passes on the meta device, which costs little, else on the CPU.

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

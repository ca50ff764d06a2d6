"""What criteria run the network with: a copy of it and the training data."""

from collections.abc import Callable
from functools import cache

import torch

from lottery.config.network import Networks
from lottery.config.rules import first_line, show
from lottery.config.settings import Settings
from lottery.config.targets import SPECIAL
from lottery.config.task import example_of
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.pruning import MakeProbe, NetworkProbe, Pruner, ScoredPruner, trait
from lottery.tasks import Loss, Task
from lottery.training import Device


def build_probe_maker(
    networks: Networks, load_splits: Callable[[], Splits], *, loss: Loss, device: Device
) -> MakeProbe:
    """Return a function that makes a probe when a criterion asks for one."""

    @cache
    def make(dtype: torch.dtype) -> NetworkProbe:
        if device.deterministic:  # as in Lightning; the first training may come later
            torch.use_deterministic_algorithms(True)
        network = drawn(networks.make, networks.seed).to(device.torch_device, dtype)
        train, shape = load_splits().train, networks.input_shape
        return NetworkProbe(network, train, loss=loss, input_shape=shape)

    return make


def check_criterion(
    settings: Settings, pruner: Pruner, *, splits: Splits, task: Task, loss: Loss
) -> None:
    """Check that a criterion has the examples and the derivatives that it needs."""
    if not isinstance(pruner, ScoredPruner):
        return
    wanted, num_train = trait(pruner.criterion, "num_examples"), len(splits.train)
    if wanted > num_train:
        arguments = {n: v for n, v in settings.criterion.node.items() if n not in SPECIAL}
        shown = ", ".join(f"criterion.{name}={show(value)}" for name, value in arguments.items())
        raise ConfigError(f"{shown}: {wanted} examples; at most the {num_train} training examples")
    if trait(pruner.criterion, "runs_on_ones") and splits.num_tokens is not None:
        raise ConfigError(
            f"criterion={type(pruner.criterion).__name__.lower()}: runs the network on an input "
            "of ones, and the dataset's inputs are tokens; snip and grasp take them"
        )
    if not trait(pruner.criterion, "second_derivatives"):
        return
    # Two factors, like two layers: second derivatives are then needed even for a linear loss.
    outputs, targets = example_of(task, splits)
    factors = [torch.ones_like(outputs, requires_grad=True) for _ in range(2)]
    try:
        value = loss(factors[0] * factors[1], targets)
        gradients = torch.autograd.grad(value, factors, create_graph=True)
        torch.autograd.grad(torch.stack(gradients).square().sum(), factors)
    except RuntimeError as error:
        name = type(pruner.criterion).__name__
        raise ConfigError(
            f"model.loss={settings.model.loss}: criterion {name} takes second derivatives, "
            f"but the loss has none: {first_line(error)}"
        ) from error

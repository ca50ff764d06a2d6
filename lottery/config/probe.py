"""What criteria run the network with: a copy of it, and the training data."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import nn

from lottery.config.rates import our_class
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.measure.evaluate import Loss
from lottery.pruning import MakeProbe, Probe
from lottery.training import Device


def build_probe_maker(
    make_network: Callable[[], nn.Module],
    load_splits: Callable[[], Splits],
    loss: Loss,
    input_shape: tuple[int, ...],
    device: Device,
) -> MakeProbe:
    """A function that makes a probe when a criterion asks for it, once.

    Args:
        make_network: makes the network anew; its weights play no part.
        load_splits: gives the data, on the device.
        loss: mean loss of (logits, targets).
        input_shape: of one example of theirs.
        device: where to compute; as reproducibly as training does.
    """

    @cache
    def make(dtype: torch.dtype) -> Probe:
        if device.deterministic:  # as Lightning has it; the first training may come later
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)
        with torch.random.fork_rng(devices=[]):
            network = make_network().to(device.torch_device, dtype)
        return Probe(network, load_splits().train, loss, input_shape)

    return make


def check_loss(config: Mapping[str, Any], loss: Loss, num_outputs: int) -> None:
    """Check that the loss has the second derivatives that GraSP takes; not every one of torch has.

    Args:
        config: the composed config.
        loss: mean loss of (logits, targets).
        num_outputs: logits of an example.

    Raises:
        ConfigError: it has none.
    """
    if our_class(config, "criterion") != "Grasp":
        return
    # two factors, as of two layers: second derivatives are there also where the loss is linear
    factors = [torch.ones(2, num_outputs, requires_grad=True) for _ in range(2)]
    try:
        value = loss(factors[0] * factors[1], torch.zeros(2, dtype=torch.long))
        gradients = torch.autograd.grad(value, factors, create_graph=True)
        torch.autograd.grad(torch.stack(gradients).square().sum(), factors)
    except RuntimeError as error:
        raise ConfigError(
            f"model.loss={config['model'].get('loss')}: criterion=grasp takes second derivatives, "
            f"and it has none: {str(error).splitlines()[0]}"
        ) from error


def check_inputs(config: Mapping[str, Any], splits: Splits) -> None:
    """Check that SynFlow, which runs the network on ones, is not asked for inputs that are tokens.

    Raises:
        ConfigError: it is.
    """
    if our_class(config, "criterion") == "SynFlow" and splits.num_tokens is not None:
        raise ConfigError(
            "criterion=synflow: runs the network on an input of ones, and the dataset's inputs "
            "are tokens; snip and grasp take them"
        )


def check_examples(node: Mapping[str, Any], num_train: int) -> None:
    """Check that there are the examples that a criterion scores on.

    Args:
        node: the group `criterion`.
        num_train: training examples.

    Raises:
        ConfigError: there are fewer.
    """
    if "num_batches" in node and "batch_size" in node:
        wanted = node["num_batches"] * node["batch_size"]
        if wanted > num_train:
            raise ConfigError(
                f"criterion.num_batches={node['num_batches']}: times criterion.batch_size="
                f"{node['batch_size']} at most the {num_train} training examples"
            )

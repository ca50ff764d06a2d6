"""Whether seeds decide all that is random in a network; checked before round 0."""

import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.measure.evaluate import evaluating
from lottery.models.state import read_state
from lottery.tensors import digest

GENERATORS = (np.random.Generator, np.random.RandomState, random.Random, torch.Generator)
GLOBAL = "draw from torch's, numpy's or Python's global generator"


def check_seeds(
    make_network: Callable[[], nn.Module],
    make_inputs: Callable[[], Tensor],
    *,
    seed: int,
    target: str,
) -> list[str]:
    """Refuse a network that differs when it is made twice with one seed.

    Returns:
        Notes for the user on random numbers that do not follow the seed.
    """

    def observe() -> tuple[str, list[Tensor]]:
        network = make_network()
        return _digest(network), _outputs(network, make_inputs())

    (weights, outputs), (same_weights, same_outputs) = drawn(observe, seed), drawn(observe, seed)
    pairs = zip(outputs, same_outputs, strict=True)
    if weights != same_weights or not all(_near(output, same) for output, same in pairs):
        differing = "outputs" if weights == same_weights else "weights"
        raise ConfigError(
            f"{target}: made twice with one seed, its {differing} differ, so that no run could be "
            f"repeated or carried on; {GLOBAL}"
        )
    notes = []
    other = drawn(make_network, seed + 1)
    if _digest(other) == weights:
        notes.append(
            f"{target}: every seed gives the same initial weights, so that seeds differ in data "
            "order alone; it seeds the generators itself, or loads weights"
        )
    for path, module in other.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, GENERATORS):
                shown = f"{path}.{name}".removeprefix(".")
                notes.append(
                    f"{target}: {shown} is a random generator of its own, which no checkpoint "
                    f"keeps: a run that is stopped and carried on has other numbers; {GLOBAL}"
                )
    return notes


def _digest(network: nn.Module) -> str:
    state = read_state(network)
    return digest(state.weights | state.buffers)


def _outputs(network: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Return outputs in both modes; none of a network that cannot run on a CPU."""
    with evaluating(network):
        try:
            return [network.train(mode)(inputs) for mode in (False, True, True, True)]
        except Exception:  # noqa: BLE001  # whatever it is, the training will raise it
            return []


def _near(output: Tensor, other: Tensor) -> bool:
    return torch.allclose(output.double(), other.double(), rtol=1e-4, equal_nan=True)

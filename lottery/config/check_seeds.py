"""Whether seeds decide all that is random in a network; checked before round 0."""

import random

import numpy as np
import torch
from torch import Tensor, nn

from lottery.config.network_maker import NetworkMaker
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.measure.evaluate import evaluating
from lottery.models.state import read_state
from lottery.tensors import digest

GENERATORS = (np.random.Generator, np.random.RandomState, random.Random, torch.Generator)
GLOBAL = "draw from torch's, numpy's or Python's global generator"


def check_seeds(maker: NetworkMaker, seed: int) -> list[str]:
    """Refuse a network that differs when it is made twice with one seed.

    Returns:
        Notes for the user on random numbers that do not follow the seed.
    """

    def observe() -> tuple[str, list[Tensor]]:
        network = maker()
        return _digest(network), _outputs(network, maker.random_inputs())

    (weights, outputs), (same_weights, same_outputs) = drawn(observe, seed), drawn(observe, seed)
    if weights != same_weights or not _near(outputs, same_outputs):
        differing = "outputs" if weights == same_weights else "weights"
        raise ConfigError(
            f"{maker.target}: made twice with one seed, its {differing} differ, so that no run "
            f"could be repeated or carried on; {GLOBAL}"
        )
    notes = []
    other = drawn(maker, seed + 1)
    if _digest(other) == weights:
        notes.append(
            "every seed gives the same initial weights, so that seeds differ in data order alone; "
            "it seeds the generators itself, or loads weights"
        )
    for path, module in other.named_modules():
        own = [name for name, value in vars(module).items() if isinstance(value, GENERATORS)]
        notes += [
            f"{path}.{name} is a random generator of its own, which no checkpoint keeps: a run "
            f"that is stopped and carried on has other numbers; {GLOBAL}".removeprefix(".")
            for name in own
        ]
    return [f"{maker.target}: {note}" for note in notes]


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


def _near(outputs: list[Tensor], others: list[Tensor]) -> bool:
    return len(outputs) == len(others) and all(
        torch.allclose(output.double(), other.double(), rtol=1e-4, equal_nan=True)
        for output, other in zip(outputs, others, strict=True)
    )

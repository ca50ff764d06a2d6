"""Starts with weights that the dense network never had."""

from dataclasses import dataclass, replace
from typing import ClassVar

from lottery.models.state import Start, start_at
from lottery.reinit.interface import Stored


@dataclass(frozen=True)
class Random:
    """A new random network under the mask: the control that asks whether W_0 mattered.

    Args:
        draw: which of the independent draws; each round has its own.
    """

    draw: int
    rewind_step: ClassVar[int] = 0
    carries_optimizer: ClassVar[bool] = False
    source: ClassVar[None] = None

    def __post_init__(self) -> None:
        if self.draw < 0:
            raise ValueError(f"draw={self.draw}: a whole number >= 0")

    def __call__(self, stored: Stored) -> Start:
        """Fresh weights, trained from the beginning."""
        return start_at(stored.fresh("reinit", self.draw, stored.round), stored.num_steps)


@dataclass(frozen=True)
class Sign:
    """The initial signs, with one magnitude for each layer: its initial standard deviation.

    "Signed constant" of Zhou et al. 2019, which asks whether more than the signs of W_0
    mattered. Biases, norm layers and whatever else is not pruned start as they did.
    """

    rewind_step: ClassVar[int] = 0
    carries_optimizer: ClassVar[bool] = False
    source: ClassVar[None] = None

    def __call__(self, stored: Stored) -> Start:
        """sign(w) * std(W) for every w of each prunable layer's initial W."""
        initial = stored.initial
        constant = {
            name: initial.weights[name].sign() * initial.weights[name].std(correction=0)
            for name in stored.prunable
        }
        return start_at(replace(initial, weights=initial.weights | constant), stored.num_steps)

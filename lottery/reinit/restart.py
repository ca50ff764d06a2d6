"""Starts from before the end of training: rewound weights, random weights, signs alone."""

from dataclasses import dataclass, replace
from typing import ClassVar

from lottery.arguments import check_one_of, check_whole
from lottery.models.state import Start, start_at
from lottery.reinit.interface import Source, Stored


@dataclass(frozen=True)
class Rewind:
    """Back to the weights that the dense network had at step k.

    k = 0 is the lottery ticket (Frankle & Carbin 2019). k > 0 is late rewinding (Frankle et al.
    2019): training continues from step k with the data and the learning rate of step k.

    Args:
        to: the step k.
        optimizer_state: "fresh", or "restored" to the state at step k.
    """

    to: int
    optimizer_state: str
    durations: ClassVar[tuple[str, ...]] = ("to",)
    carries_optimizer: ClassVar[bool] = False
    source: ClassVar[Source] = "rewind_point"

    def __post_init__(self) -> None:
        check_whole("to", self.to, at_least=0)
        check_one_of("optimizer_state", self.optimizer_state, ("fresh", "restored"))

    @property
    def rewind_step(self) -> int:
        """The step k."""
        return self.to

    def __call__(self, stored: Stored) -> Start:
        """Start at W_k and train the steps k + 1 ... T."""
        restore = self.optimizer_state == "restored"
        return start_at(stored.rewind_point, stored.num_steps, self.to, restore=restore)


@dataclass(frozen=True)
class Random:
    """A new random network under the mask: the control that asks whether W_0 matters.

    Args:
        draw: number of the independent draw; each round has its own.
    """

    draw: int
    rewind_step: ClassVar[int] = 0
    carries_optimizer: ClassVar[bool] = False
    source: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_whole("draw", self.draw, at_least=0)

    def __call__(self, stored: Stored) -> Start:
        """Start with new random weights and train all T steps."""
        return start_at(stored.fresh("reinit", self.draw, stored.round), stored.num_steps)


@dataclass(frozen=True)
class Sign:
    """The initial signs with one magnitude per layer, the initial standard deviation.

    This is "signed constant" of Zhou et al. 2019: do only the signs of W_0 matter? Biases, norm
    layers and everything else that is not pruned start as in round 0.
    """

    rewind_step: ClassVar[int] = 0
    carries_optimizer: ClassVar[bool] = False
    source: ClassVar[None] = None

    def __call__(self, stored: Stored) -> Start:
        """Start with sign(w) * std(W) for every w of each prunable layer's initial W."""
        initial = stored.initial
        constant = {
            name: initial.weights[name].sign() * initial.weights[name].std(correction=0)
            for name in stored.prunable
        }
        return start_at(replace(initial, weights=initial.weights | constant), stored.num_steps)

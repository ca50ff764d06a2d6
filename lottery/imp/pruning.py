"""How the masks of a round are made, and from which weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lottery.imp.checks import BrokenInvariant
from lottery.masks import Masks, count_ones, masked
from lottery.models.state import State
from lottery.pruning import MakeProbe, Pruner, Trained
from lottery.pruning.probe import no_probe
from lottery.seeds import derive_seed
from lottery.training import EarlyBird


@dataclass(frozen=True)
class Pruning:
    """A pruner and what it sees."""

    pruner: Pruner
    prunable: Sequence[str]  # names of the weights that have masks, in the network's order
    seed: int
    at: str = "trained"  # judges the weights at the end of the round before; "init" judges W_0
    probe: MakeProbe = no_probe  # makes what runs the network, for criteria that need it
    early_bird: float | None = None  # the epsilon; None detects nothing
    scored_on_main: bool = False  # and not on every rank: GPUs may differ in the last bits

    def trained(self, number: int, last: State, initial: State, before: Masks) -> Trained:
        """Collect what the masks of round `number` are made from.

        `last` and `before` are the weights at the end and the masks of the round before it.
        """
        state = initial if self.at == "init" else last
        for name in self.prunable:
            stored = [before, initial.weights, *([state.weights] if state.weights else [])]
            if len({tensors[name].shape if name in tensors else None for tensors in stored}) > 1:
                raise BrokenInvariant(
                    f"round {number}: {name} is missing in what earlier rounds have stored, or "
                    "has another shape in one of them"
                )
        # In the network's order, which breaks ties under a global scope. Files are sorted.
        masks = {name: before[name] for name in self.prunable}
        weights = {name: w for name, w in state.weights.items() if name in masks}
        return Trained(
            round=number,
            weights=masked(weights, masks),  # W_0 is stored dense
            initial={name: initial.weights[name] for name in self.prunable},
            masks=masks,
            generator=torch.Generator().manual_seed(derive_seed(self.seed, number)),
            state=state,
            probe=self.probe,
        )

    def detector(self, number: int, initial: State, masks: Masks) -> EarlyBird | None:
        """Return the early-bird detector of round `number`, which trains, or None."""
        if self.early_bird is None:
            return None

        def next_masks(state: State) -> Masks:
            return self.pruner(self.trained(number + 1, state, initial, masks))

        num_alive = sum(count_ones(masks).values())
        return EarlyBird(self.early_bird, num_alive, next_masks)

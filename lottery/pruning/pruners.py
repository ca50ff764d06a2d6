"""Pruners: the masks of a round, scored from the trained weights or copied from another run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from lottery.masks import Masks, count_ones
from lottery.pruning.criteria import Criterion, Trained
from lottery.pruning.scopes import Keep, Layer, Scope, split_like
from lottery.tensors import Tensors


class Pruner(Protocol):
    """The masks of round `trained.round`."""

    @property
    def nested(self) -> bool:
        """Whether a round's masks keep only what the last round's kept."""
        ...

    def __call__(self, trained: Trained) -> Masks:
        """Masks by parameter name."""
        ...

    def expected(self, trained: Trained) -> Keep:
        """Numbers of weights that must be left, per layer or in all."""
        ...


@dataclass(frozen=True)
class ScoredPruner:
    """criterion x scope: score the weights, keep the highest.

    Args:
        criterion: what scores.
        scope: what compares the scores and counts.
        rates: share of the surviving weights to remove per pruning, by layer.
        steps: prunings to do at once; k for one-shot pruning to what k rounds would leave.
    """

    criterion: Criterion
    scope: Scope
    rates: Mapping[str, float]
    steps: int = 1
    nested: bool = True

    def __call__(self, trained: Trained) -> Masks:
        """Score, check the scores, and keep the highest.

        Raises:
            ValueError: a live weight's score is not finite, naming the layer.
        """
        scores = self.criterion(trained)
        _check_scores(scores, trained.masks)
        return self.scope(scores, trained.masks, self.expected(trained))

    def expected(self, trained: Trained) -> Keep:
        """What the scope's arithmetic leaves."""
        alive = count_ones(trained.masks)
        layers = {name: Layer(alive[name], self.rates[name]) for name in trained.masks}
        return self.scope.keep(layers, self.steps)


def _check_scores(scores: Tensors, masks: Masks) -> None:
    for name, mask in masks.items():
        if name not in scores or scores[name].shape != mask.shape:
            raise ValueError(f"the criterion gave no score for each weight of {name}")
        if not torch.isfinite(scores[name])[mask].all():
            raise ValueError(f"the criterion's scores of {name} are not finite")


@dataclass(frozen=True)
class CopiedPruner:
    """Round r's masks of another run, as they are or with their places shuffled.

    Args:
        load: masks of a round of the trunk.
        shuffle: "none"; "layerwise" permutes each layer's mask (the *random ticket*: same
            density per layer); "global" permutes all places together (same density in all).
    """

    load: Callable[[int], Masks]
    shuffle: str
    nested: bool = False

    def __post_init__(self) -> None:
        if self.shuffle not in ("none", "layerwise", "global"):
            raise ValueError(f"shuffle={self.shuffle!r}: none, layerwise or global")

    def __call__(self, trained: Trained) -> Masks:
        """The trunk's masks, permuted for this round only."""
        masks = self.load(trained.round)
        if self.shuffle == "layerwise":
            return {name: _permute(mask, trained.generator) for name, mask in masks.items()}
        if self.shuffle == "global":
            joined = torch.cat([mask.flatten() for mask in masks.values()])
            return split_like(_permute(joined, trained.generator), masks)
        return masks

    def expected(self, trained: Trained) -> Keep:
        """The trunk's counts: per layer, or in all where places move between layers."""
        counts = count_ones(self.load(trained.round))
        return sum(counts.values()) if self.shuffle == "global" else counts


def _permute(mask: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    places = torch.randperm(mask.numel(), generator=generator)
    return mask.flatten()[places].reshape(mask.shape)

"""Pruners: the masks of a round, scored from the trained weights or copied from another run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from lottery.errors import LotteryError
from lottery.masks import Masks, count_ones
from lottery.pruning.interface import Criterion, Trained
from lottery.pruning.scopes import Keep, Layer, Scope, split_like
from lottery.pruning.units import Units, unit_masks, unit_scores, whole_units
from lottery.tensors import Tensors


class BadScores(LotteryError, ValueError):
    """A criterion's scores that nothing can be chosen by."""


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
        """Numbers of weights, or of units, that must be left, per layer or in all."""
        ...

    def count(self, masks: Masks) -> dict[str, int]:
        """The numbers that `expected` is about, of some masks, per layer."""
        ...


@dataclass(frozen=True)
class ScoredPruner:
    """criterion x scope: score the weights, keep the highest.

    Args:
        criterion: what scores.
        scope: what compares the scores and counts.
        rates: share of the surviving weights to remove per pruning, by layer.
        steps: prunings to do at once; k for one-shot pruning to what k rounds would leave.
        iterations: how often to score on the way, each time under the masks so far; what is left
            goes down by the same factor each time.
        units: "none" prunes weights; "l1" and "l2" whole filters and neurons by that norm of
            their weights' scores, which then must be at least 0; rates are of units.
    """

    criterion: Criterion
    scope: Scope
    rates: Mapping[str, float]
    steps: int = 1
    iterations: int = 1
    units: Units = "none"
    nested: bool = True

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ValueError(f"iterations={self.iterations}: a whole number >= 1")

    def __call__(self, trained: Trained) -> Masks:
        """Score, check the scores, and keep the highest.

        Raises:
            BadScores: a live weight's score is not finite, or below 0 where units are pruned,
                naming the layer.
        """
        target = self.expected(trained)
        alive = self.count(trained.masks)
        for number in range(1, self.iterations + 1):
            keep = on_the_way(alive, target, number / self.iterations)
            scores = self.criterion(trained)
            _check_scores(scores, trained, self.units)
            trained = trained.under(self._choose(scores, trained.masks, keep))
        return trained.masks

    def _choose(self, scores: Tensors, masks: Masks, keep: Keep) -> Masks:
        if self.units == "none":
            return self.scope(scores, masks, keep)
        of_units = unit_scores(scores, masks, self.units)
        return whole_units(self.scope(of_units, unit_masks(masks), keep), masks)

    def expected(self, trained: Trained) -> Keep:
        """What the scope's arithmetic leaves."""
        alive = self.count(trained.masks)
        layers = {
            name: Layer(alive[name], self.rates[name], tuple(mask.shape))
            for name, mask in trained.masks.items()
        }
        return self.scope.keep(layers, self.steps)

    def count(self, masks: Masks) -> dict[str, int]:
        """Weights left, or whole units."""
        return count_ones(masks if self.units == "none" else unit_masks(masks))


def on_the_way(alive: Mapping[str, int], target: Keep, share: float) -> Keep:
    """What is left a share of the way from all that is alive to the target, by equal factors.

    Example:
        >>> [on_the_way({"w": 1000}, {"w": 10}, i / 4) for i in (1, 2, 3, 4)]
        [{'w': 316}, {'w': 100}, {'w': 32}, {'w': 10}]
        >>> on_the_way({"v": 60, "w": 40}, 1, 0.5)
        10
    """
    if isinstance(target, int):
        return _between(sum(alive.values()), target, share)
    return {name: _between(alive[name], left, share) for name, left in target.items()}


def _between(alive: int, target: int, share: float) -> int:
    if share >= 1 or alive == 0:
        return target
    # an empty layer has no factor to go by: one weight is left until the end
    factor: float = (max(target, 1) / alive) ** share
    return max(target, round(alive * factor))


def _check_scores(scores: Tensors, trained: Trained, units: str) -> None:
    for name, mask in trained.masks.items():
        if name not in scores or scores[name].shape != mask.shape:
            wrong = f"the criterion gave no score for each weight of {name}"
        elif not torch.isfinite(scores[name])[mask].all():
            wrong = f"the criterion's scores of {name} are not finite"
        elif units != "none" and bool((scores[name] < 0)[mask].any()):
            wrong = f"the criterion's scores of {name} are below 0, with pruning.units={units}"
        else:
            continue
        raise BadScores(f"round {trained.round}: {wrong}")


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

    def count(self, masks: Masks) -> dict[str, int]:
        """Weights left."""
        return count_ones(masks)


def _permute(mask: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    places = torch.randperm(mask.numel(), generator=generator)
    return mask.flatten()[places].reshape(mask.shape)

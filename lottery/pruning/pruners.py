"""Pruners make the masks of a round, by scoring weights or by copying another run's masks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch

from lottery.arguments import check_whole
from lottery.errors import LotteryError
from lottery.masks import Masks, count_ones
from lottery.pruning.interface import Criterion, Trained
from lottery.pruning.scopes import IN_ALL, Keep, Layer, Scope, split_like
from lottery.pruning.ties import in_random_order
from lottery.tensors import Tensors

Units = Literal["none", "l1", "l2"]
Ties = Literal["index", "random"]
ORDERS = {"l1": 1, "l2": 2}  # of the norms of units: filters of a Conv, neurons of a Linear layer


class BadScores(LotteryError, ValueError):
    """Scores of a criterion that cannot be compared."""


class Pruner(Protocol):
    """Makes the masks of a round; nested ones keep only what the last round's masks kept."""

    nested: ClassVar[bool]

    def __call__(self, trained: Trained) -> Masks:
        """Return masks by parameter name."""

    def expected(self, trained: Trained) -> Keep:
        """Return the numbers of weights or units that must be left, by layer or `IN_ALL`."""

    def count(self, masks: Masks) -> Keep:
        """Count in masks what `expected` counts, by layer."""


@dataclass(frozen=True)
class ScoredPruner:
    """criterion x scope: score the weights and keep the highest scores.

    Args:
        criterion: gives the scores.
        scope: compares the scores and says how many weights stay.
        rates: share of the surviving weights to remove per pruning, by layer.
        steps: prunings to do at once. k is one-shot pruning to what k rounds would leave.
        iterations: how often to score within one pruning, each time under the masks so far. Each
            time the number of weights falls by the same factor.
        units: "none" prunes single weights. "l1" and "l2" prune whole filters and neurons by that
            norm of their weights' scores, which must then be >= 0. Rates are then shares of units.
        inverted: removes the highest scores instead of the lowest.
        ties: which of equal scores stay: "index" those of the lowest indices, "random" any of
            them.
    """

    nested: ClassVar[bool] = True

    criterion: Criterion
    scope: Scope
    rates: Mapping[str, float]
    steps: int = 1
    iterations: int = 1
    units: Units = "none"
    ties: Ties = "index"
    inverted: bool = False

    def __post_init__(self) -> None:
        check_whole("iterations", self.iterations, at_least=1)

    def __call__(self, trained: Trained) -> Masks:
        """Score the weights, check the scores, and keep the highest."""
        target = self.expected(trained)
        alive = self.count(trained.masks)
        for number in range(1, self.iterations + 1):
            keep = on_the_way(alive, target, number / self.iterations)
            trained = trained.under(self.prune_to(trained, keep))
        return trained.masks

    def prune_to(self, trained: Trained, keep: Keep) -> Masks:
        """Score once, and keep so many weights or units, by layer or `IN_ALL`."""
        scores = self.criterion(trained)
        _check_scores(scores, trained, self.units)
        return self._choose(scores, trained, keep)

    def _choose(self, scores: Tensors, trained: Trained, keep: Keep) -> Masks:
        masks = trained.masks
        if self.units != "none":
            scores, masks = unit_scores(scores, masks, self.units), unit_masks(masks)
        if self.inverted:
            scores = {name: -score for name, score in scores.items()}
        if self.ties == "random":
            scores = in_random_order(scores, masks, trained.generator)
        kept = self.scope(scores, masks, keep)
        return kept if self.units == "none" else whole_units(kept, trained.masks)

    def expected(self, trained: Trained) -> Keep:
        """Return the numbers that the scope leaves."""
        alive = self.count(trained.masks)
        layers = {
            name: Layer(alive[name], self.rates[name], tuple(mask.shape))
            for name, mask in trained.masks.items()
        }
        return self.scope.keep(layers, self.steps)

    def count(self, masks: Masks) -> Keep:
        """Count the weights left, or the whole units."""
        return count_ones(masks if self.units == "none" else unit_masks(masks))


def on_the_way(alive: Mapping[str, int], target: Keep, share: float) -> Keep:
    """Return the numbers left after a fraction `share` of a geometric schedule to `target`.

    Example:
        >>> [on_the_way({"w": 1000}, {"w": 10}, i / 4) for i in (1, 2, 3, 4)]
        [{'w': 316}, {'w': 100}, {'w': 32}, {'w': 10}]
        >>> on_the_way({"v": 60, "w": 40}, {IN_ALL: 1}, 0.5)
        {'in all': 10}
    """
    alive = {**alive, IN_ALL: sum(alive.values())}
    return {name: _between(alive[name], left, share) for name, left in target.items()}


def _between(alive: int, target: int, share: float) -> int:
    if share >= 1 or alive == 0:
        return target
    # no factor leads to 0: one weight of a layer that empties is left until the end
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


def unit_scores(scores: Tensors, masks: Masks, units: str) -> Tensors:
    """Return the norm of each unit's scores >= 0, (units,).

    The norm is not divided by the unit's size. Under a global scope a layer with few inputs has
    smaller norms and loses more units.

    Example:
        >>> scores = {"w": torch.tensor([[3.0, 4.0], [6.0, 0.0]])}
        >>> masks = {"w": torch.ones(2, 2, dtype=torch.bool)}
        >>> unit_scores(scores, masks, "l1")["w"].tolist()
        [7.0, 6.0]
        >>> unit_scores(scores, masks, "l2")["w"].tolist()
        [5.0, 6.0]
    """
    return {
        name: torch.linalg.vector_norm(
            torch.where(mask, scores[name], 0).flatten(1), ORDERS[units], dim=1
        )
        for name, mask in masks.items()
    }


def unit_masks(masks: Masks) -> Masks:
    """Return masks of units, (units,): True for a unit that has all of its weights."""
    return {name: mask.flatten(1).all(1) for name, mask in masks.items()}


def whole_units(kept: Masks, masks: Masks) -> Masks:
    """Expand masks of units to masks of weights with the shapes of `masks`."""
    return {
        name: units.reshape(-1, *[1] * (masks[name].dim() - 1)).expand_as(masks[name]).clone()
        for name, units in kept.items()
    }


@dataclass(frozen=True)
class CopiedPruner:
    """Copies the masks of round r of another run, as they are or shuffled.

    Args:
        load: loads the masks of a round of the trunk.
        shuffle: "none" copies them. "layerwise" permutes each layer's mask (the *random ticket*,
            same density in each layer). "global" permutes all masks together (same density in
            all).
    """

    nested: ClassVar[bool] = False

    load: Callable[[int], Masks]
    shuffle: str

    def __post_init__(self) -> None:
        if self.shuffle not in ("none", "layerwise", "global"):
            raise ValueError(f"shuffle={self.shuffle!r}: none, layerwise or global")

    def __call__(self, trained: Trained) -> Masks:
        """Return the trunk's masks, permuted for this round only."""
        masks = self.load(trained.round)
        if self.shuffle == "layerwise":
            return {name: _permute(mask, trained.generator) for name, mask in masks.items()}
        if self.shuffle == "global":
            joined = torch.cat([mask.flatten() for mask in masks.values()])
            return split_like(_permute(joined, trained.generator), masks)
        return masks

    def expected(self, trained: Trained) -> Keep:
        """Return the trunk's counts by layer, or `IN_ALL` if weights move between layers."""
        counts = count_ones(self.load(trained.round))
        return {IN_ALL: sum(counts.values())} if self.shuffle == "global" else counts

    def count(self, masks: Masks) -> Keep:
        """Count the weights left."""
        return count_ones(masks)


def _permute(mask: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    order = torch.randperm(mask.numel(), generator=generator)
    return mask.flatten()[order].reshape(mask.shape)

"""Masks that a round learns: scores are trained, and the weights are not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod, sqrt
from typing import ClassVar

import torch

from lottery.masks import Masks, ones
from lottery.pruning.interface import Trained
from lottery.pruning.pruners import ScoredPruner
from lottery.pruning.scopes import Keep
from lottery.pruning.top_k import keep_highest
from lottery.tensors import Tensors


@dataclass(frozen=True)
class EdgePopup:
    """Scores of frozen weights before the first step (edge-popup, Ramanujan et al. 2020).

    In training, a layer's mask m keeps the k largest |s|. The gradient by |s| is the weight times
    the gradient by the masked weight, w dL/d(w m), as if m were |s| ("straight through").

    Example:
        >>> weights = {"w": torch.tensor([[1.0, 2.0, 3.0, 4.0]])}
        >>> trained = Trained(1, weights, weights, ones(weights), torch.Generator().manual_seed(0))
        >>> scores = EdgePopup()(trained)["w"]
        >>> bool((scores <= 1 / sqrt(4)).all())
        True
    """

    needs_training: ClassVar[bool] = False
    by_chance: ClassVar[bool] = True
    learns_masks: ClassVar[bool] = True

    def __call__(self, trained: Trained) -> Tensors:
        """Return |s|."""
        return {n: s.abs() for n, s in draw_scores(trained.masks, trained.generator).items()}


def draw_scores(masks: Masks, generator: torch.Generator) -> Tensors:
    """Draw the scores before the first step: uniform, within 1 / sqrt(inputs of the unit).

    As in the authors' code, this is Kaiming's distribution with a = sqrt(5). Scores of 32 bits or
    more are finer than weights of 16.
    """
    return {
        name: (2 * torch.rand(mask.shape, generator=generator) - 1) / sqrt(prod(mask.shape[1:]))
        for name, mask in masks.items()
    }


def choose_by_scores(scores: Tensors, keep: Mapping[str, int]) -> Masks:
    """Return masks of exactly the `keep` largest |s| of each layer; of equal ones, the first.

    Example:
        >>> scores = {"w": torch.tensor([0.5, -2.0, 0.0, 1.0])}
        >>> choose_by_scores(scores, {"w": 2})["w"].tolist()
        [False, True, False, True]
    """
    everywhere = ones(scores)
    return {
        name: keep_highest(score.abs(), everywhere[name], keep[name])
        for name, score in scores.items()
    }


@dataclass(frozen=True)
class LearnedPruner:
    """Makes the masks that a round begins with, of as many weights as its learned ones.

    Round r keeps what r prunings of the dense network leave, and learns its mask by itself.
    """

    nested: ClassVar[bool] = False

    scored: ScoredPruner  # as of the dense network

    def __call__(self, trained: Trained) -> Masks:
        """Keep the largest |s| before the first step."""
        return self._at_once(trained.round)(self._dense(trained))

    def expected(self, trained: Trained) -> Keep:
        """Return the numbers that r prunings leave."""
        return self._at_once(trained.round).expected(self._dense(trained))

    def count(self, masks: Masks) -> Keep:
        """Count the weights left."""
        return self.scored.count(masks)

    def _at_once(self, number: int) -> ScoredPruner:
        return replace(self.scored, steps=number * self.scored.steps)

    def _dense(self, trained: Trained) -> Trained:
        return replace(trained, weights=trained.initial, masks=ones(trained.initial))

"""`scope.ties=random`: equal scores are pruned by chance, others as before."""

from dataclasses import dataclass

import pytest
import torch

from lottery.masks import Masks, count_ones, ones
from lottery.pruning import Balanced, Global, Layerwise, Scope, ScoredPruner, Trained
from lottery.pruning.ties import in_random_order
from lottery.tensors import Tensors, digest
from tests.helpers.toy_weights import toy_trained, toy_weights

WEIGHTS = toy_weights({"a.weight": (10, 8), "b.weight": (5, 10)})
RATES = dict.fromkeys(WEIGHTS, 0.5)


@dataclass(frozen=True)
class Steps:
    """Scores of a few values: |w| rounded to halves, so that many are equal."""

    def __call__(self, trained: Trained) -> Tensors:
        return {name: (2 * weight.abs()).round() for name, weight in trained.weights.items()}


def _pruned(scope: Scope, ties: str, seed: int, **more: object) -> Masks:
    pruner = ScoredPruner(Steps(), scope, RATES, ties=ties, **more)  # type: ignore[arg-type]
    return pruner(toy_trained(WEIGHTS, ones(WEIGHTS), seed=seed))


@pytest.mark.parametrize("scope", [Layerwise(), Global(), Balanced()])
def test_only_equal_scores_change_places_and_counts_stay(scope: Scope) -> None:
    by_index = _pruned(scope, "index", seed=0)
    drawn = [_pruned(scope, "random", seed=seed) for seed in range(4)]
    assert len({digest(masks) for masks in (by_index, *drawn)}) == 5
    assert digest(drawn[0]) == digest(_pruned(scope, "random", seed=0))  # as on another rank
    scores = Steps()(toy_trained(WEIGHTS, ones(WEIGHTS)))
    for masks in drawn:
        assert sum(count_ones(masks).values()) == sum(count_ones(by_index).values())
        kept, expected = (
            sorted(float(s) for name in WEIGHTS for s in scores[name][found[name]])
            for found in (masks, by_index)
        )
        assert kept == expected


def test_ties_go_beyond_the_layer_under_a_global_scope() -> None:
    equal = {name: torch.ones_like(weight) for name, weight in WEIGHTS.items()}
    masks = ones(WEIGHTS)
    ranks = in_random_order(equal, masks, torch.Generator().manual_seed(0))
    counts = count_ones(Global()(ranks, masks, {"in all": 65}))
    assert 15 <= counts["b.weight"] <= 35  # of 50, about half; by index none


def test_without_ties_nothing_changes() -> None:
    scores = {"w": torch.tensor([[0.5, -2.0], [-0.0, 3.0]])}
    ranks = in_random_order(scores, ones(scores), torch.Generator().manual_seed(1))
    assert ranks["w"].tolist() == [[2.0, 0.0], [1.0, 3.0]]


def test_whole_units_are_drawn_whole() -> None:
    masks = _pruned(Layerwise(), "random", seed=0, units="l1")
    for mask in masks.values():
        assert (mask.all(1) | ~mask.any(1)).all()

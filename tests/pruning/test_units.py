"""Whole filters and neurons: their norms, their counts, and the masks they make."""

import pytest
import torch

from lottery.imp.checks import BrokenInvariant, check_masks
from lottery.masks import Masks, check_nested, count_ones, ones
from lottery.pruning import (
    IN_ALL,
    Global,
    Layerwise,
    Magnitude,
    MagnitudeIncrease,
    Random,
    Scope,
    ScoredPruner,
    Trained,
    Units,
)
from lottery.tensors import Tensors

WEIGHTS = {
    "conv.weight": torch.tensor([[3.0, -4.0], [5.5, 0.0], [-3.0, 3.0]]).reshape(3, 2, 1, 1),
    "fc.weight": torch.tensor([[1.0, 1.0, -1.0], [0.0, 2.0, 0.0]]),
}


def _trained(weights: Tensors, masks: Masks | None = None) -> Trained:
    generator = torch.Generator().manual_seed(0)
    zeros = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    return Trained(1, weights, zeros, masks or ones(weights), generator)


def _kept(scope: Scope, rate: float, units: Units) -> tuple[str, str]:
    """One character per filter: 0 none of it, 1 the whole."""
    pruner = ScoredPruner(Magnitude(), scope, dict.fromkeys(WEIGHTS, rate), units=units)
    masks = pruner(_trained(WEIGHTS))
    for name, mask in masks.items():
        assert mask.shape == WEIGHTS[name].shape
        assert (mask.flatten(1).all(1) == mask.flatten(1).any(1)).all()
    conv, fc = ("".join(str(int(m.flatten()[0])) for m in mask) for mask in masks.values())
    return conv, fc


@pytest.mark.parametrize(
    ("scope", "rate", "units", "kept"),
    [
        # norms: conv 7, 5.5, 6 and fc 3, 2 by l1; conv 5, 5.5, 4.24 and fc 1.73, 2 by l2
        (Layerwise(), 0.4, "l1", ("101", "10")),  # 1.2 of 3 filters, 0.8 of 2 neurons
        (Layerwise(), 0.4, "l2", ("110", "01")),
        (Global(), 0.2, "l1", ("111", "10")),
        (Global(), 0.2, "l2", ("111", "01")),
        (Global(), 0.6, "l1", ("101", "00")),
        (Global(), 0.6, "l2", ("110", "00")),
        (Layerwise(), 0.0, "l1", ("111", "11")),
        (Layerwise(), 1.0, "l2", ("000", "00")),
    ],
)
def test_the_units_of_the_largest_norm_stay_whole(
    scope: Scope, rate: float, units: Units, kept: tuple[str, str]
) -> None:
    assert _kept(scope, rate, units) == kept


def test_of_equal_units_the_first_stay() -> None:
    weights = {"w": torch.ones(4, 3)}
    pruner = ScoredPruner(Magnitude(), Layerwise(), {"w": 0.5}, units="l2")
    assert pruner(_trained(weights))["w"].all(1).tolist() == [True, True, False, False]


@pytest.mark.parametrize("scope", [Layerwise(), Global()])
@pytest.mark.parametrize("iterations", [1, 3])
def test_rounds_are_exact_in_units_and_nested(scope: Scope, iterations: int) -> None:
    weights = {"conv": torch.randn(40, 3, 3, 3), "fc": torch.randn(20, 30)}
    rates = dict.fromkeys(weights, 0.3)
    pruner = ScoredPruner(Random(), scope, rates, iterations=iterations, units="l1")
    masks, totals = ones(weights), []
    for _ in range(3):
        before, trained = masks, _trained(weights, masks)
        masks = pruner(trained)
        expected = pruner.expected(trained)
        measured = check_masks(1, masks, before, expected, nested=True, count=pruner.count)
        assert measured["ones_after"] == sum(count_ones(masks).values())  # weights
        check_nested(masks, before)
        totals.append(sum(pruner.count(masks).values()))
    # 40, 28, 20, 14 filters and 20, 14, 10, 7 neurons
    assert totals == ([42, 30, 21] if isinstance(scope, Layerwise) else [42, 29, 20])


def test_a_unit_that_is_kept_in_part_is_refused() -> None:
    pruner = ScoredPruner(Magnitude(), Global(), dict.fromkeys(WEIGHTS, 0.2), units="l1")
    trained = _trained(WEIGHTS)
    masks = pruner(trained)
    masks["fc.weight"][0, 1] = False
    with pytest.raises(BrokenInvariant, match=r"3\} weights left, .* 4\} expected"):
        check_masks(1, masks, trained.masks, {IN_ALL: 4}, nested=True, count=pruner.count)


def test_scores_below_zero_have_no_norm() -> None:
    weights = {"w": torch.tensor([[1.0, 1.0], [0.0, 3.0]])}
    trained = _trained(weights)
    trained.initial["w"].fill_(2)
    pruner = ScoredPruner(MagnitudeIncrease(), Layerwise(), {"w": 0.5}, units="l1")
    with pytest.raises(ValueError, match=r"scores of w are below 0, with pruning.units=l1"):
        pruner(trained)

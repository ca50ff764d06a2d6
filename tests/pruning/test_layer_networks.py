"""Every criterion, scope and unit on layers of every kind: finite scores and exact counts."""

import pytest
import torch
from torch import nn

from lottery.masks import check_nested, count_ones, prunable_weights
from lottery.pruning import (
    Balanced,
    Criterion,
    Erk,
    Global,
    GradientMagnitude,
    Grasp,
    LargeInitLargeFinal,
    Layerwise,
    Magnitude,
    Random,
    Scope,
    ScoredPruner,
    Snip,
    SynFlow,
)
from tests.helpers.layer_numbers import LAYER_NETWORKS, TRAINED
from tests.helpers.probes import examples, make, trained_network

CRITERIA: list[Criterion] = [
    Magnitude(),
    LargeInitLargeFinal(),
    Random(),
    GradientMagnitude(1, 20),
    Snip(1, 20),
    Grasp(1, 20, 200.0),
    SynFlow(),
]
SCOPES: list[Scope] = [Layerwise(), Global(), Erk(), Balanced()]


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda criterion: type(criterion).__name__)
def test_every_criterion_scores_every_kind_of_layer(name: str, criterion: Criterion) -> None:
    numbers = LAYER_NETWORKS[name]
    network = make(numbers.network)
    train = examples((1, 8, 8), number=20, classes=10)
    trained = trained_network(network, train, names=prunable_weights(network, numbers.also))
    for scope in SCOPES:
        pruner = ScoredPruner(criterion, scope, dict.fromkeys(trained.weights, 0.3))
        masks = pruner(trained)
        check_nested(masks, trained.masks)
        expected = sum(pruner.expected(trained).values())
        assert sum(count_ones(masks).values()) == expected
    scores = criterion(trained)
    assert all(score.isfinite().all() for score in scores.values())
    assert all(bool((score != 0).any()) for score in scores.values())


@pytest.mark.parametrize("name", TRAINED)
def test_whole_rows_are_pruned_in_every_kind_of_layer(name: str) -> None:
    numbers = LAYER_NETWORKS[name]
    network = make(numbers.network)
    trained = trained_network(
        network,
        examples((1, 8, 8), number=20, classes=10),
        names=prunable_weights(network, numbers.also),
    )
    pruner = ScoredPruner(
        Magnitude(), Layerwise(), dict.fromkeys(trained.weights, 0.5), units="l2"
    )
    for weight, mask in pruner(trained).items():
        rows = mask.flatten(1)
        assert torch.equal(rows.any(1), rows.all(1)), weight
        assert int(rows.all(1).sum()) == len(rows) - round(len(rows) / 2), weight


@pytest.mark.parametrize("name", ["attention", "cross-attention", "LSTM", "GRU"])
def test_synflow_does_not_depend_on_biases(name: str) -> None:
    numbers = LAYER_NETWORKS[name]
    network = make(numbers.network)
    train = examples((1, 8, 8), number=20, classes=10)
    scores = []
    for bias in (0.0, 0.5):
        for parameter_name, parameter in network.named_parameters():
            if "bias" in parameter_name:
                nn.init.constant_(parameter, bias)
        names = prunable_weights(network, numbers.also)
        scores.append(SynFlow()(trained_network(network, train, names=names)))
    assert all(torch.equal(scores[0][name], scores[1][name]) for name in scores[0])

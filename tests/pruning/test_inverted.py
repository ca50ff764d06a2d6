"""`criterion.inverted`: what would be kept is removed."""

from typing import Any

import pytest
import torch

from lottery.masks import ones
from lottery.pruning import Global, Layerwise, Magnitude, ScoredPruner
from lottery.report.read.roles import is_ticket, role_of
from tests.helpers.toy_records import CONFIG
from tests.helpers.toy_weights import toy_trained

WEIGHTS = {"w": torch.tensor([[0.5, -2.0, 1.0, 3.0]])}


@pytest.mark.parametrize(
    ("inverted", "kept"),
    [(False, [False, True, False, True]), (True, [True, False, True, False])],
)
@pytest.mark.parametrize("scope", [Layerwise(), Global()])
def test_the_highest_scores_go(scope: Any, inverted: bool, kept: list[bool]) -> None:
    pruner = ScoredPruner(Magnitude(), scope, {"w": 0.5}, inverted=inverted)
    assert pruner(toy_trained(WEIGHTS))["w"].tolist() == [kept]


def test_in_several_scorings_pruned_weights_do_not_come_back() -> None:
    pruner = ScoredPruner(Magnitude(), Layerwise(), {"w": 0.5}, iterations=2, inverted=True)
    masks = pruner(toy_trained(WEIGHTS))
    assert masks["w"].tolist() == [[True, False, True, False]]
    assert pruner(toy_trained(WEIGHTS, masks))["w"].tolist() == [[True, False, False, False]]


@pytest.mark.parametrize(("inverted", "first"), [(False, [False, True]), (True, [True, False])])
def test_units_are_inverted_by_their_norms(inverted: bool, first: list[bool]) -> None:
    weights = {"w": torch.tensor([[1.0, -1.0], [3.0, 0.0]])}
    pruner = ScoredPruner(Magnitude(), Layerwise(), {"w": 0.5}, units="l1", inverted=inverted)
    assert pruner(toy_trained(weights, ones(weights)))["w"][:, 0].tolist() == first


def test_the_report_names_it() -> None:
    config = CONFIG | {"criterion.inverted": True}
    assert role_of(config) == "inverted magnitude"
    assert is_ticket(config)
    snip = config | {"criterion._target_": "lottery.pruning.Snip", "pruning.at": "init"}
    assert role_of(snip) == "inverted SNIP at init"

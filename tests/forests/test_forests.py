"""Forests on features, computed by hand, without a run."""

import numpy as np
import pytest
import torch

from lottery.data import Split, Splits
from lottery.forests.features import Truncated, choose_layers
from lottery.forests.forest import count_comparisons, fit_forest, measure_forest
from lottery.forests.measure import ForestOptions, PrunedAndDense, measure_layers
from lottery.masks import ones
from lottery.measure.flops import make_counter
from lottery.models import VGG16Base
from tests.helpers.toy_layers import Toy

# One feature, -1 or 1, that is the class: a tree has one comparison, and none where its sample
# has one class only.
ROWS = torch.tensor([[-1.0], [-1.0], [1.0], [1.0]])
CLASSES = torch.tensor([0, 0, 1, 1])


def test_comparisons_are_the_depths_of_the_leaves() -> None:
    forest = fit_forest(ROWS, CLASSES, num_trees=20, seed=1)
    depths = [tree.get_depth() for tree in forest.estimators_]
    assert set(depths) == {0, 1}  # some samples of four have one class
    assert count_comparisons(forest, ROWS) == sum(depths)


def test_comparisons_are_a_mean_over_examples() -> None:
    # 0 | 1 2 | 1: a chain of two; the lowest leaves the tree after one comparison
    rows, classes = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([0, 1, 2])
    forest = fit_forest(rows.repeat(50, 1), classes.repeat(50), num_trees=3, seed=0)
    for tree in forest.estimators_:
        assert tree.get_depth() == 2
    by_hand = [
        [_depth(tree.tree_, float(value)) for tree in forest.estimators_]
        for value in rows.flatten()
    ]
    assert count_comparisons(forest, rows) == pytest.approx(np.sum(by_hand) / 3)
    assert {depth for depths in by_hand for depth in depths} == {1, 2}


def _depth(tree: object, value: float) -> int:
    node, depth = 0, 0
    while tree.children_left[node] != -1:  # type: ignore[attr-defined]
        left = value <= tree.threshold[node]  # type: ignore[attr-defined]
        node = (tree.children_left if left else tree.children_right)[node]  # type: ignore[attr-defined]
        depth += 1
    return depth


def test_a_forest_is_measured_as_a_network_is() -> None:
    forest = fit_forest(ROWS, CLASSES, num_trees=20, seed=1)
    measured = measure_forest(forest, ROWS[[0, 2, 2, 2]], torch.tensor([0, 1, 1, 0]), 2)
    assert measured == pytest.approx(
        {"accuracy": 3 / 4, "precision": 2 / 3, "recall": 1.0, "f1": 0.8}
    )


def test_equal_seeds_equal_forests_however_many_jobs() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, classes = torch.rand(60, 5, generator=generator), torch.arange(60) % 3
    one, two, other = (
        fit_forest(rows, classes, num_trees=10, seed=seed, num_jobs=jobs)
        .predict_proba(rows.numpy())
        .tolist()
        for seed, jobs in ((0, 1), (0, 2), (1, 1))
    )
    assert one == two
    assert one != other


def toy_networks(masked: str | None, *, dense: bool = True) -> PrunedAndDense:
    generator = torch.Generator().manual_seed(0)

    def split(size: int) -> Split:
        return Split(torch.rand(size, 1, 2, 2, generator=generator), torch.arange(size) % 2)

    pruned, whole = Toy(), Toy()
    masks = ones({f"{n}.weight": whole.get_parameter(f"{n}.weight") for n in ("conv1", "fc1")})
    if masked is not None:
        masks[masked][0, 0] = False
        with torch.no_grad():
            pruned.get_parameter(masked)[0, 0] = 0
    splits = Splits(split(40), split(10), split(10), num_classes=2)
    return PrunedAndDense(
        pruned=pruned,
        dense=whole if dense else None,
        masks=masks,
        splits=splits,
        frozen_flops=100,
        batch_size=16,
    )


OPTIONS = ForestOptions(num_trees=4, seed=0, num_jobs=1)


def test_the_layers_before_are_what_counts() -> None:
    """2 weights of each convolution at 4 places, 12 of fc1."""
    conv1, fc1 = measure_layers(toy_networks("fc1.weight"), ["conv1", "fc1"], OPTIONS)
    assert (conv1["pruned_before"], conv1["equal"], conv1["dense"]) == (False, True, None)
    assert conv1["pruned"]["flops_network"] == 100 + 2 * 2 * 4
    assert (fc1["pruned_before"], fc1["equal"], fc1["num_features"]) == (True, False, 3)
    assert fc1["pruned"]["flops_network"] == 100 + 2 * (2 * 4 + 2 * 4 + 12 - 1)
    assert fc1["dense"]["flops_network"] == 100 + 2 * (2 * 4 + 2 * 4 + 12)
    for measured in (conv1["pruned"], fc1["pruned"], fc1["dense"]):
        assert measured["flops"] == measured["flops_network"] + measured["flops_forest"]
        assert measured["flops_forest"] > 4


def test_a_frozen_part_has_one_forest() -> None:
    (conv1,) = measure_layers(toy_networks(None, dense=False), ["conv1"], OPTIONS)
    assert (conv1["pruned_before"], conv1["equal"], conv1["dense"]) == (False, True, None)


def test_features_may_differ_where_nothing_is_pruned() -> None:
    part = toy_networks(None)
    with torch.no_grad():
        part.pruned.get_parameter("conv1.weight")[0] = 1.0  # trained apart
    (conv1,) = measure_layers(part, ["conv1"], OPTIONS)
    assert (conv1["pruned_before"], conv1["equal"]) == (False, False)
    assert conv1["dense"] is not None


def test_the_studys_layer_takes_its_share_of_the_base() -> None:
    with torch.device("meta"):
        base = VGG16Base((3, 128, 128))
        ((_, layer),) = choose_layers(base, ["block3_conv3"]).items()
        whole = make_counter(base, (3, 128, 128))({})["flops"]
        before = make_counter(Truncated(base, {"layer": layer}), (3, 128, 128))({})["flops"]
    assert (before, whole) == (6_096_420_864, 10_022_289_408)
    assert before / whole == pytest.approx(0.608, abs=0.0005)

"""Random forests on the features of a network's layers: their accuracy and their cost."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lottery.data import Splits
from lottery.forests.features import Truncated, choose_layers, features_by_layer
from lottery.forests.forest import count_comparisons, fit_forest, measure_forest
from lottery.masks import Masks
from lottery.measure.flops import count_flops, find_products

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")

FeaturesBySplit = dict[str, Tensor]


@dataclass(frozen=True)
class PrunedAndDense:
    """A network, or a part of one with inputs of its own, pruned and dense."""

    pruned: nn.Module  # on the splits' device
    splits: Splits
    batch_size: int
    dense: nn.Module | None = None  # with the weights of round 0; None if they are the same
    masks: Masks = field(default_factory=dict)
    frozen_flops: int = 0  # what it costs to make one example's inputs


@dataclass(frozen=True)
class ForestOptions:
    """How forests are fitted."""

    num_trees: int
    seed: int  # below 2**32
    num_jobs: int  # trees fitted at a time; changes no result


def measure_layers(
    networks: PrunedAndDense, asked: Sequence[str], options: ForestOptions
) -> list[dict[str, Any]]:
    """Fit forests on layers' features, in the pruned and in the dense network.

    Layers that the networks lack are left out. In an entry, `pruned_before` tells whether any
    weight up to the layer is pruned, `equal` whether both networks' features are equal; `dense` is
    None if it would be the same forest.
    """
    layers = choose_layers(networks.pruned, asked)
    features = _features(networks.pruned, layers, networks)
    dense_layers, dense_features = layers, features
    if networks.dense is not None:
        dense_layers = choose_layers(networks.dense, asked)
        dense_features = _features(networks.dense, dense_layers, networks)
    entries = []
    for name, layer in layers.items():
        log.info("%s: a forest of %d trees", name, options.num_trees)
        flops, pruned_before = _flops_before(networks.pruned, layer, networks, networks.masks)
        equal = all(torch.equal(features[name][s], dense_features[name][s]) for s in SPLITS)
        dense = None
        if pruned_before or not equal:
            network = networks.dense or networks.pruned
            dense_flops, _ = _flops_before(network, dense_layers[name], networks, masks={})
            dense = _fit_and_measure(dense_features[name], networks.splits, dense_flops, options)
        entries.append(
            {
                "layer": name,
                "num_features": features[name]["train"].shape[1],
                "pruned_before": pruned_before,
                "equal": equal,
                "pruned": _fit_and_measure(features[name], networks.splits, flops, options),
                "dense": dense,
            }
        )
    return entries


def _features(
    network: nn.Module, layers: Mapping[str, nn.Module], networks: PrunedAndDense
) -> dict[str, FeaturesBySplit]:
    """Return the features of the three splits by layer, from one pass over each split."""
    truncated = Truncated(network, layers)
    by_split = {
        name: features_by_layer(truncated, getattr(networks.splits, name), networks.batch_size)
        for name in SPLITS
    }
    return {
        layer: {name: features[layer] for name, features in by_split.items()} for layer in layers
    }


def _fit_and_measure(
    features: FeaturesBySplit, splits: Splits, flops_network: int, options: ForestOptions
) -> dict[str, Any]:
    """Fit a forest on training features; return what it reaches on the others, and FLOPs.

    The metrics have the names of results.csv. A comparison counts as one FLOP; `flops_forest` is
    the mean over validation examples.
    """
    assert splits.num_classes is not None  # of classification, which has been checked
    targets = {name: getattr(splits, name).targets.cpu() for name in features}
    forest = fit_forest(
        features["train"],
        targets["train"],
        num_trees=options.num_trees,
        seed=options.seed,
        num_jobs=options.num_jobs,
    )
    val, test = (
        measure_forest(forest, features[name], targets[name], splits.num_classes)
        for name in ("val", "test")
    )
    flops_forest = round(count_comparisons(forest, features["val"]))
    return {
        "val": val.pop("accuracy"),
        "test": test.pop("accuracy"),
        **{f"val_{name}": value for name, value in val.items()},
        **test,
        "flops_network": flops_network,
        "flops_forest": flops_forest,
        "flops": flops_network + flops_forest,
    }


def _flops_before(
    network: nn.Module, layer: nn.Module, networks: PrunedAndDense, masks: Masks
) -> tuple[int, bool]:
    """Return one example's FLOPs up to and with a layer, and whether a weight there is pruned."""
    truncated = Truncated(network, {"layer": layer})
    products = find_products(truncated, networks.splits.input_shape, networks.splits.input_dtype)
    inside = {f"network.{name}": mask for name, mask in masks.items()}
    flops = sum(count_flops(products, inside).values())
    used = {part.name for part in products}
    pruned = any(name in used and not bool(mask.all()) for name, mask in inside.items())
    return networks.frozen_flops + flops, pruned

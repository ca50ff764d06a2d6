"""Random forests on the features of a network's layers: how good, at what cost."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lottery.data import Splits
from lottery.forests.features import Truncated, choose_layers, compute_features
from lottery.forests.forest import count_comparisons, fit_forest, measure_forest
from lottery.masks import Masks
from lottery.measure.flops import count_flops, weight_uses

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")

Features = dict[str, Tensor]  # by split


@dataclass(frozen=True)
class Part:
    """A network, or the part of one that takes certain data, pruned and dense.

    Args:
        pruned: with the weights of a pruned round; on the splits' device.
        dense: with those of round 0; None where they are the same, as of a frozen base.
        masks: of the pruned one, by name.
        splits: what it takes.
        frozen_flops: of what made its inputs.
        batch_size: examples at a time, whose activations must fit into memory.
    """

    pruned: nn.Module
    dense: nn.Module | None
    masks: Masks
    splits: Splits
    frozen_flops: int
    batch_size: int


@dataclass(frozen=True)
class Forests:
    """Fits a forest on training features, and measures it.

    Args:
        num_trees: of a forest.
        seed: draws what each tree sees; below 2**32.
        num_jobs: trees fitted at a time; changes no result.
    """

    num_trees: int
    seed: int
    num_jobs: int

    def __call__(self, features: Features, splits: Splits, flops_network: int) -> dict[str, Any]:
        """Measures on validation and test data, under the names of results.csv, and FLOPs.

        A comparison counts as one FLOP; `flops_forest` is the mean over validation examples.

        Args:
            features: by split.
            splits: whose targets they belong to.
            flops_network: of the network up to the layer.
        """
        targets = {name: getattr(splits, name).targets.cpu() for name in features}
        forest = fit_forest(
            features["train"], targets["train"], self.num_trees, self.seed, self.num_jobs
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


def measure_layers(part: Part, asked: Sequence[str], forests: Forests) -> list[dict[str, Any]]:
    """An entry for each layer: forests on its features in the pruned and in the dense network.

    Args:
        part: which has the layers.
        asked: their names.
        forests: fits and measures.

    Returns:
        `layer`, `num_features`, `pruned_before` (whether any weight up to the layer is pruned),
        `equal` (whether both networks' features are), `pruned`, and `dense`: None where it would
        be the same forest.
    """
    layers = choose_layers(part.pruned, asked)
    features = _features_by_layer(part.pruned, layers, part)
    dense_layers, dense_features = layers, features
    if part.dense is not None:
        dense_layers = choose_layers(part.dense, asked)
        dense_features = _features_by_layer(part.dense, dense_layers, part)
    entries = []
    for name, layer in layers.items():
        log.info("%s: a forest of %d trees", name, forests.num_trees)
        flops, pruned_before = _flops_before(part.pruned, layer, part, part.masks)
        equal = _equal(features[name], dense_features[name])
        dense = None
        if pruned_before or not equal:
            dense_flops, _ = _flops_before(part.dense or part.pruned, dense_layers[name], part, {})
            dense = forests(dense_features[name], part.splits, dense_flops)
        entries.append(
            {
                "layer": name,
                "num_features": features[name]["train"].shape[1],
                "pruned_before": pruned_before,
                "equal": equal,
                "pruned": forests(features[name], part.splits, flops),
                "dense": dense,
            }
        )
    return entries


def _features_by_layer(
    network: nn.Module, layers: Mapping[str, nn.Module], part: Part
) -> dict[str, Features]:
    """Features of the three splits by layer, from one pass over each of them."""
    truncated = Truncated(network, layers)
    by_split = {
        name: compute_features(truncated, getattr(part.splits, name), part.batch_size)
        for name in SPLITS
    }
    return {
        layer: {name: features[layer] for name, features in by_split.items()} for layer in layers
    }


def _equal(features: Features, others: Features) -> bool:
    return all(torch.equal(features[name], others[name]) for name in features)


def _flops_before(
    network: nn.Module, layer: nn.Module, part: Part, masks: Masks
) -> tuple[int, bool]:
    """FLOPs of one example up to and with a layer, and whether any weight there is pruned."""
    truncated = Truncated(network, {"layer": layer})
    uses = weight_uses(truncated, part.splits.input_shape, part.splits.input_dtype)
    inside = {f"network.{name}": mask for name, mask in masks.items()}
    flops = sum(count_flops(truncated, uses, inside).values())
    pruned = any(uses[name] and not bool(mask.all()) for name, mask in inside.items())
    return part.frozen_flops + flops, pruned

"""A random forest on features: fitted, measured, and its cost per example counted."""

from typing import Any

import torch
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from lottery.tasks.class_averages import class_averages


def fit_forest(
    features: Tensor, targets: Tensor, *, num_trees: int, seed: int, num_jobs: int = 1
) -> RandomForestClassifier:
    """Fit a forest of trees of any depth, with scikit-learn's other defaults.

    `seed` is below 2**32. `num_jobs` trees are fitted at a time, which changes no result.
    """
    forest = RandomForestClassifier(n_estimators=num_trees, random_state=seed, n_jobs=num_jobs)
    forest.fit(features.numpy(), targets.numpy())
    # One job predicts: several jobs add up the trees' predictions in an order that changes.
    return forest.set_params(n_jobs=1)


def measure_forest(
    forest: RandomForestClassifier, features: Tensor, targets: Tensor, num_classes: int
) -> dict[str, float]:
    """Return accuracy, F1, precision and recall, as fractions."""
    predictions = torch.as_tensor(forest.predict(features.numpy()), dtype=torch.long)
    accuracy = float((predictions == targets).double().mean())
    return {"accuracy": accuracy, **class_averages(predictions, targets, num_classes)}


def count_comparisons(forest: RandomForestClassifier, features: Tensor) -> float:
    """Return the mean number of comparisons per example: the depth of its leaf in every tree.

    Each inner node on an example's way through a tree compares one feature with a threshold.
    """
    inputs = features.numpy()
    # tree by tree: all trees at once would give thousands of entries for each example
    visited = sum(_count_nodes(tree, inputs) for tree in forest.estimators_)
    return visited / len(inputs) - len(forest.estimators_)  # the leaves compare nothing


def _count_nodes(tree: Any, inputs: Any) -> int:
    return int(tree.decision_path(inputs).sum())

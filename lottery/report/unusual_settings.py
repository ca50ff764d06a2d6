"""What is unusual about a setting's data and pruning, in words."""

from collections.abc import Mapping
from typing import Any

KEYS = (
    *("dataset.limit", "dataset.subsample", "dataset.random_labels", "dataset.shuffle_pixels"),
    "pruning.units",
)


def extras_of(config: Mapping[str, Any]) -> list[str]:
    """The values of `KEYS`, which a canonical config has only where they are not the usual ones.

    Example:
        >>> extras_of({"dataset.random_labels": 0.2, "pruning.units": "l1"})
        ['20 % random labels', 'whole units by L1']
    """
    found = []
    if limit := config.get("dataset.limit"):
        found.append(f"{limit:,} examples")
    if share := config.get("dataset.subsample"):
        found.append(f"{100 * share:g} % of the training data")
    if share := config.get("dataset.random_labels"):
        found.append(f"{100 * share:g} % random labels")
    if config.get("dataset.shuffle_pixels"):
        found.append("shuffled pixels")
    if units := config.get("pruning.units"):
        found.append(f"whole units by {units.upper()}")
    return found

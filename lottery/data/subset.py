"""Draw some of a dataset's examples at random, class by class."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lottery.data.splits import Split, Splits

Rows = npt.NDArray[np.intp]


def draw_shares(labels: npt.NDArray[np.int_], shares: Sequence[float], seed: int) -> list[Rows]:
    """Divide examples into disjoint parts, each with the same share of every class.

    A part gets its share of a class, rounded, but at least one example while there are any. The
    rows of each part are ascending; one more part is what is left.

    Example:
        >>> labels = np.array([0] * 10 + [1] * 20)
        >>> [np.bincount(labels[rows]).tolist() for rows in draw_shares(labels, [0.1, 0.2], 0)]
        [[1, 2], [2, 4], [7, 14]]
    """
    generator = np.random.default_rng(seed)
    parts: list[list[Rows]] = [[] for _ in range(len(shares) + 1)]
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        counts = [max(1, round(share * len(rows))) for share in shares]
        for part, drawn in zip(parts, np.split(rows, np.cumsum(counts)), strict=True):
            part.append(drawn)
    return [np.sort(np.concatenate(part)) for part in parts]


def draw_subset(labels: npt.NDArray[np.int_], count: int, seed: int) -> Rows:
    """Return `count` rows, ascending; each class keeps its share as far as the number allows.

    Example:
        >>> labels = np.array([0] * 10 + [1] * 20)
        >>> np.bincount(labels[draw_subset(labels, 9, 0)]).tolist()
        [3, 6]
    """
    generator = np.random.default_rng(seed)
    # Each class is spread evenly from 0 to 1, in random order: the lowest are a fair share of it.
    positions = np.empty(len(labels))
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        positions[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(np.argsort(positions, kind="stable")[:count])


def limited(splits: Splits, limit: int, seed: int) -> Splits:
    """Return about `limit` examples in all: the same share of every split and class.

    Each class keeps at least one example.
    """
    share = limit / (len(splits.train) + len(splits.val) + len(splits.test))
    if share >= 1:
        return splits
    return splits.changed(lambda split: drawn_share(split, share, seed))


def has_classes(split: Split) -> bool:
    """Return whether each target is one class number."""
    return split.targets.dim() == 1 and not split.targets.is_floating_point()


def classes_of(split: Split) -> npt.NDArray[np.int_]:
    """Return the class of each example; targets that are no class numbers count as one class."""
    classes = split.targets if has_classes(split) else torch.zeros(len(split), dtype=torch.long)
    return classes.numpy()


def select_rows(split: Split, rows: Tensor) -> Split:
    """Return some examples of a split."""
    if split.rows is None:
        return replace(split, inputs=split.inputs[rows], targets=split.targets[rows])
    return replace(split, rows=split.rows[rows], targets=split.targets[rows])


def drawn_share(split: Split, share: float, seed: int) -> Split:
    """Return a share of a split's examples, the same of every class, at least one of each.

    Targets that are no class numbers count as one class.
    """
    return select_rows(split, torch.from_numpy(draw_shares(classes_of(split), [share], seed)[0]))

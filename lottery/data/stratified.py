"""Drawing examples at random, class by class."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]


def draw_shares(labels: npt.NDArray[np.int_], shares: Sequence[float], seed: int) -> list[Rows]:
    """Divide examples into disjoint parts, in each of them the same share of every class.

    Of a class a part gets its share, rounded, but at least one example while there are any.

    Args:
        labels: (n,), the class of each example.
        shares: of the parts to draw, above 0 and together below 1.
        seed: of the draw.

    Returns:
        The rows of each part, ascending; last what is left.

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
    """Some examples, with the shares of the classes that all have, as far as the number allows.

    Args:
        labels: (n,), the class of each example.
        count: how many, at most n.
        seed: of the draw.

    Returns:
        Their rows, ascending.

    Example:
        >>> labels = np.array([0] * 10 + [1] * 20)
        >>> np.bincount(labels[draw_subset(labels, 9, 0)]).tolist()
        [3, 6]
    """
    generator = np.random.default_rng(seed)
    # Each class spread evenly from 0 to 1, in random order: the lowest are a fair share of it.
    places = np.empty(len(labels))
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        places[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(np.argsort(places, kind="stable")[:count])

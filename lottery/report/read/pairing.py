"""Which seeds and rounds are compared, and in which round each seed is judged."""

import math
from collections.abc import Collection, Mapping

from lottery.record.rows import best_round
from lottery.record.score import Score

Values = Mapping[int, Mapping[int, float]]  # round -> seed -> value

ENOUGH_SEEDS = 3


def complete(values: Values) -> dict[int, dict[int, float]]:
    """Return the rounds and seeds of which every round has every seed.

    The seeds are those that have the last round that three seeds have (or all seeds, if there are
    fewer), and the rounds are those that all these seeds have. So no mean over one set of seeds is
    compared with a mean over another.

    Example:
        >>> complete({1: {0: 1, 1: 2, 2: 3, 3: 4}, 2: {0: 1, 1: 2, 2: 3}, 3: {0: 9}})
        {1: {0: 1, 1: 2, 2: 3}, 2: {0: 1, 1: 2, 2: 3}}
    """
    everybody = {seed for seeds in values.values() for seed in seeds}
    needed = min(ENOUGH_SEEDS, len(everybody))
    last = max((n for n, seeds in values.items() if seeds and len(seeds) >= needed), default=None)
    if last is None:  # the seeds share no round
        return {}
    paired = sorted(values[last])
    return {
        number: {seed: seeds[seed] for seed in paired}
        for number, seeds in sorted(values.items())
        if seeds.keys() >= set(paired)
    }


def mean_by_round(values: Values, seeds: Collection[int]) -> dict[int, float]:
    """Return the means over some seeds, of the rounds that they all have."""
    return {
        number: math.fsum(found[seed] for seed in seeds) / len(seeds)
        for number, found in values.items()
        if found.keys() >= set(seeds)
    }


def pick_rounds(val: Values, remaining: Values, score: Score) -> dict[int, int]:
    """Return the best round of each seed by the mean `val` of the *other* seeds.

    A seed's own validation data have no part in the choice of its round, so its result there is
    not better by the choice. A single seed picks by itself.

    Args:
        val: of the same seeds in every round, as `complete` returns them.
        remaining: share of weights left.
        score: which direction is better.

    Example:
        >>> val = {1: {0: 0.9, 1: 0.7, 2: 0.7}, 2: {0: 0.7, 1: 0.8, 2: 0.75}}
        >>> left = {1: dict.fromkeys(range(3), 0.8), 2: dict.fromkeys(range(3), 0.64)}
        >>> pick_rounds(val, left, Score())
        {0: 2, 1: 1, 2: 1}
    """
    seeds = sorted(set().union(*val.values()))
    picks = {}
    for seed in seeds:
        others = [other for other in seeds if other != seed] or seeds
        best = best_round(mean_by_round(val, others), mean_by_round(remaining, others), score)
        if best is not None:
            picks[seed] = best
    return picks

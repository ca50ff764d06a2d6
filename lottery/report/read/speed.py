"""How fast networks learn, compared: the ratio of their ES, pooled over neighbouring rounds."""

import math
from collections.abc import Mapping

from lottery.report.read.pairing import Values
from lottery.report.read.resolution import ROUNDED
from lottery.report.read.statistics import Summary, summarise

NEIGHBOURS = 1  # rounds before and after


def pooled_ratios(
    es: Values, other: Values, picks: Mapping[int, int], grid: float
) -> Summary | None:
    """Summarise ln(ES of a network / ES of another one) over the seeds.

    A seed's ES is its mean over the picked pruned round and its neighbours, as far as both
    networks have them: the ES of one training hangs on noise in the validation loss. The mean of
    logarithms is the logarithm of the geometric mean of the ratios. As for gains, deviations are
    those from the mean of each round over all seeds.

    Args:
        es: of the first network, by round and seed.
        other: of the other one, in the same rounds.
        picks: the round of each seed.
        grid: steps between two evaluations, which ES is a multiple of.

    Returns:
        The summary; None if an ES is 0 or missing, or the networks were evaluated only once.
    """
    pooled = [
        (_pool(es, seed, number, other), _pool(other, seed, number, es))
        for number in picks.values()
        for seed in picks
    ]
    if not grid or not all(min(pair) > 0 for pair in pooled):
        return None
    ratios = iter([math.log(first / second) for first, second in pooled])
    by_pick = [{seed: next(ratios) for seed in picks} for _ in picks]  # as `pooled` is ordered
    values = [found[seed] for seed, found in zip(picks, by_pick, strict=True)]
    levels = [math.fsum(found.values()) / len(found) for found in by_pick]
    return summarise(
        values,
        deviations=[value - level for value, level in zip(values, levels, strict=True)],
        least_sd=ROUNDED * grid / min(min(pair) for pair in pooled),
    )


def _pool(es: Values, seed: int, number: int, other: Values) -> float:
    """Return the mean ES of the rounds around one that both networks have; 0 if there is none."""
    shared = [
        es[near][seed]
        for near in range(max(1, number - NEIGHBOURS), number + NEIGHBOURS + 1)
        if seed in es.get(near, {}) and seed in other.get(near, {})
    ]
    return math.fsum(shared) / len(shared) if shared else 0.0

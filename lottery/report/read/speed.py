"""How fast networks learn, compared: the ratio of their ES, pooled over neighbouring rounds."""

import math
from collections.abc import Mapping

from lottery.report.read.pairing import Values, summarise_picked
from lottery.report.read.resolution import ROUNDED
from lottery.report.read.statistics import Summary

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
    first, second = (
        {n: {seed: _pool(one, seed, n, rest) for seed in picks} for n in picks.values()}
        for one, rest in ((es, other), (other, es))
    )
    shortest = min(min(seeds.values()) for pooled in (first, second) for seeds in pooled.values())
    if not grid or not shortest > 0:
        return None
    ratios = {
        number: {seed: math.log(value / second[number][seed]) for seed, value in seeds.items()}
        for number, seeds in first.items()
    }
    return summarise_picked(ratios, picks, least_sd=ROUNDED * grid / shortest)


def _pool(es: Values, seed: int, number: int, other: Values) -> float:
    """Return the mean ES of the rounds around one that both networks have; 0 if there is none."""
    shared = [
        es[near][seed]
        for near in range(max(1, number - NEIGHBOURS), number + NEIGHBOURS + 1)
        if seed in es.get(near, {}) and seed in other.get(near, {})
    ]
    return math.fsum(shared) / len(shared) if shared else 0.0

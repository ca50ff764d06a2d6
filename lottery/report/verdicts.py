"""The rules of the written answer, as functions of differences of test accuracy in points.

A difference is one seed's: a network's test accuracy at ES less that of the network it is
compared with. Which round is looked at is chosen by validation accuracy alone.
"""

from collections.abc import Mapping, Sequence

from lottery.report.statistics import summarise

ENOUGH_SEEDS = 3
BELOW = 0.5  # points
MATCHING = 0.2
EXACT = 9  # decimals: 97.8 - 98.0 is -0.2, whatever its last bits say

BEATS = "beats"
MATCHES = "matches"
BEHIND = "is behind"
TOO_FEW = "not enough seeds to say"

RULES = (
    "All numbers here are test accuracy at ES, the step of the lowest validation loss. Rounds are "
    "chosen by validation accuracy, never by test: the winning round is the pruned one with the "
    "highest mean validation accuracy, the sparsest of equals. Differences are paired by seed.",
    f"Falls below dense from: the first round from which on every mean difference, its own "
    f"included, is more than {BELOW} points under.",
    f"Matches: the mean difference is at least -{MATCHING} points.",
    "Beats: the lower bound of its 95 % confidence interval (Student's t) is above 0.",
    f"Under {ENOUGH_SEEDS} seeds: {TOO_FEW}.",
    "Controls are compared at equal sparsity: at the winning round, or where the control lacks it "
    "at the best by validation of those both have, and at the last of them.",
)


def judge(differences: Sequence[float]) -> str:
    """Whether a network beats another, matches it, or is behind.

    Args:
        differences: in points, one per seed.

    Example:
        >>> judge([0.3, 0.2, 0.4]), judge([-0.4, 0.1, 0.0]), judge([-1.0, -0.9, -1.1])
        ('beats', 'matches', 'is behind')
        >>> judge([5.0, 5.0])
        'not enough seeds to say'
    """
    if len(differences) < ENOUGH_SEEDS:
        return TOO_FEW
    summary = summarise(differences)
    if round(summary.interval[0], EXACT) > 0:
        return BEATS
    return MATCHES if round(summary.mean, EXACT) >= -MATCHING else BEHIND


def falls_below_from(means: Mapping[int, float]) -> int | None:
    """The first round from which on every mean, its own included, is too far under dense.

    Args:
        means: by round, the mean difference to the dense network, in points.

    Returns:
        The round; None where the last round is not under.

    Example:
        >>> falls_below_from({1: -0.6, 2: 0.1, 3: -0.5, 4: -0.7, 5: -2.0})
        4
    """
    first = None
    for number in sorted(means, reverse=True):
        if round(means[number], EXACT) >= -BELOW:
            break
        first = number
    return first


def best_round(val: Mapping[int, float], remaining: Mapping[int, float]) -> int | None:
    """The pruned round of the highest validation accuracy, ties to the sparsest.

    Args:
        val: mean validation accuracy by round; round 0 may be among them.
        remaining: share of weights left, by round.

    Example:
        >>> best_round({0: 0.99, 1: 0.97, 2: 0.98, 3: 0.98}, {0: 1, 1: 0.8, 2: 0.64, 3: 0.51})
        3
    """
    pruned = [number for number in val if number >= 1]
    key = {number: (round(val[number], EXACT), -remaining[number]) for number in pruned}
    return max(pruned, key=key.__getitem__) if pruned else None

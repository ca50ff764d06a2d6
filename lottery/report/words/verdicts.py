"""The rules of the written answer, as functions of differences of test accuracy.

The difference of one seed is the test accuracy at ES of a network minus that of the network it is
compared with, in points. Validation accuracy alone chooses the rounds.
"""

from collections.abc import Mapping

from lottery.report.read.statistics import Summary

ENOUGH_SEEDS = 3
BELOW = 0.5  # points
MATCHING = 0.2  # points
DECIMALS = 9  # 97.8 - 98.0 counts as -0.2, whatever its last bits are

BEATS = "beats"
MATCHES = "matches"
BEHIND = "is behind"
TOO_FEW = "not enough seeds to say"

RULES = (
    "All numbers are test scores at the early-stopping step (ES), the step with the lowest "
    "validation loss. Differences are paired by seed.",
    "Validation data choose the rounds, test data never do. The winning round is the pruned round "
    "with the best mean validation score; of equal rounds it is the one with the fewest weights.",
    f"Falls below dense from a round on: in this round and in every later one, the mean "
    f"difference to the dense network is below -{BELOW} points.",
    f"Matches: the mean difference is at least -{MATCHING} points.",
    "Beats: the lower bound of the 95 % confidence interval of the mean difference (Student's t) "
    "is above 0.",
    f"Fewer than {ENOUGH_SEEDS} seeds: {TOO_FEW}.",
    "A ticket and a control are compared at equal sparsity, in two rounds: in the winning round, "
    "or, if the control does not have it, in the best round by validation that both have; and in "
    "the last round that both have.",
)


def judge(difference: Summary) -> str:
    """Return whether a network beats another, matches it, or is behind, by their difference."""
    if difference.count < ENOUGH_SEEDS:
        return TOO_FEW
    if round(difference.interval[0], DECIMALS) > 0:
        return BEATS
    return MATCHES if round(difference.mean, DECIMALS) >= -MATCHING else BEHIND


def falls_below_from(means: Mapping[int, float]) -> int | None:
    """Return the first round from which on every mean difference to dense is too low, if any.

    Example:
        >>> falls_below_from({1: -0.6, 2: 0.1, 3: -0.5, 4: -0.7, 5: -2.0})
        4
    """
    first = None
    for number in sorted(means, reverse=True):
        if round(means[number], DECIMALS) >= -BELOW:
            break
        first = number
    return first


def of_enough_seeds(differences: Mapping[int, Summary]) -> dict[int, float]:
    """Return the mean differences of those rounds that have enough seeds for a verdict."""
    return {n: summary.mean for n, summary in differences.items() if summary.count >= ENOUGH_SEEDS}

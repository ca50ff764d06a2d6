"""The verdicts of the written answer, as functions of gains.

docs/explanations/statistics.md has the rules.

The gain of one seed is by how much the test score at ES of a network is better than that of the
network that it is compared with. Validation data alone choose the rounds.
"""

from collections.abc import Mapping, Sequence

from lottery.report.read.pairing import ENOUGH_SEEDS
from lottery.report.read.significance import holm, p_value
from lottery.report.read.statistics import LEVEL, Summary

DECIMALS = 9  # 97.8 - 98.0 counts as -0.2, whatever its last bits are

BEATS = "beats"
MATCHES = "matches"
BEHIND = "is behind"
UNDECIDED = "undecided"
TOO_FEW = "not enough seeds to say"
FASTER, SLOWER = "learns faster", "learns more slowly"
# What is left of a verdict if Holm's correction takes away that two networks differ
WEAKER = {BEATS: MATCHES, BEHIND: UNDECIDED, FASTER: UNDECIDED, SLOWER: UNDECIDED}


def judge(gain: Summary, margin: float) -> str:
    """Return whether a network beats another, matches it or is behind, by its 95 % interval.

    Example:
        >>> from lottery.report.read.statistics import summarise
        >>> judge(summarise([0.1, 0.2, 0.3]), 0.2), judge(summarise([-0.9, 0.1, 0.2]), 0.2)
        ('matches', 'undecided')
    """
    if gain.count < ENOUGH_SEEDS:
        return TOO_FEW
    low, high = (round(end, DECIMALS) for end in gain.interval)
    if low > 0:
        return BEATS
    if low >= -margin:
        return MATCHES
    return BEHIND if high < 0 else UNDECIDED


def judge_speed(log_ratio: Summary) -> str:
    """Return whether a network learns faster than another, by the interval of ln(ES ratio)."""
    if log_ratio.count < ENOUGH_SEEDS:
        return TOO_FEW
    low, high = (round(end, DECIMALS) for end in log_ratio.interval)
    return FASTER if high < 0 else SLOWER if low > 0 else UNDECIDED


def with_correction(verdicts: Sequence[str], summaries: Sequence[Summary]) -> list[str]:
    """Return the verdicts of several comparisons of one ticket, corrected by Holm.

    What says that two networks differ also needs a corrected p-value below 5 %. Without it,
    *beats* becomes *matches* and all others become *undecided*. Comparisons with too few seeds do
    not count.
    """
    enough = [s for v, s in zip(verdicts, summaries, strict=True) if v != TOO_FEW]
    p_values = iter(holm([p_value(summary) for summary in enough]))
    found = []
    for verdict in verdicts:
        is_shown = verdict == TOO_FEW or next(p_values) < 1 - LEVEL
        found.append(verdict if is_shown else WEAKER.get(verdict, verdict))
    return found


def matches_down_to(gains: Mapping[int, Summary], margin: float) -> int | None:
    """Return the sparsest round that matches dense, and all before it too; None if there is none.

    The rounds are tested in their order and the test stops at the first failure, so that the
    number of rounds raises no error rate.
    """
    last = None
    for number in sorted(gains):
        if judge(gains[number], margin) not in (BEATS, MATCHES):
            break
        last = number
    return last


def behind_from(gains: Mapping[int, Summary], margin: float) -> int | None:
    """Return the first round from which on a network is behind in every round, if any."""
    first = None
    for number in sorted(gains, reverse=True):
        if judge(gains[number], margin) != BEHIND:
            break
        first = number
    return first

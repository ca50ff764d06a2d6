"""How judged rounds are written."""

from collections.abc import Sequence

from lottery.report.read.comparison import Judged
from lottery.report.read.settings import Setting


def judged_text(setting: Setting, judged: Judged) -> str:
    """Name the round in which all seeds are judged, or the round of each, for a sentence."""
    if judged.round is not None:
        return setting.round_text(judged.round)
    return f"the best rounds by the other seeds' validation ({round_numbers(judged)})"


def round_numbers(judged: Judged) -> str:
    """Write the round of each seed, as "rounds 3, 4 and 3"."""
    return f"rounds {enumerate_words([str(n) for _, n in sorted(judged.rounds.items())])}"


def enumerate_words(words: Sequence[str]) -> str:
    """Join words by commas and a last "and".

    Example:
        >>> enumerate_words(["3", "4", "3"])
        '3, 4 and 3'
    """
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last

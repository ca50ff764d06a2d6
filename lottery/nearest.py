"""What somebody may have meant who wrote a word that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

CLOSE = 0.72  # of difflib's ratio, from 0 to 1: a letter or two in a word of usual length
MOST = 3  # words that are suggested at once


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Return "did you mean ...?" with the nearest of the known words; "" if none is close.

    A word whose beginning, or whose last part after a dot, was written is close, too. `prefix` is
    shown before each word, but not compared.

    Example:
        >>> did_you_mean("prunning.rate", ["pruning.rate", "rounds"])
        'did you mean pruning.rate?'
        >>> did_you_mean("lr", ["optimizer.lr", "rounds"]), did_you_mean("x", ["rounds"])
        ('did you mean optimizer.lr?', '')
    """
    words = sorted(set(known) - {word})
    ends = [name for name in words if name.rpartition(".")[2] == word]
    begun = [name for name in words if len(word) > 1 and name.startswith(word)]
    near = get_close_matches(word, words, n=1, cutoff=CLOSE)
    found = next((some for some in (ends, begun, near) if 0 < len(some) <= MOST), [])
    return f"did you mean {' or '.join(prefix + name for name in found)}?" if found else ""

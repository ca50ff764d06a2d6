"""What one test example is worth: shares of few examples cannot differ by less."""

import math
from collections.abc import Iterable
from fractions import Fraction

MOST_EXAMPLES = 1_000_000
ROUNDED = 12**-0.5  # standard deviation of an error of rounding, in units of the last place


def one_example(shares: Iterable[float]) -> float:
    """Return 1/n for the least n of which all shares are multiples of 1/n; 0 if there is none.

    Shares of n test examples are such multiples. With few values n can come out as a divisor of
    the true number, then one example counts for more than it is worth.

    Example:
        >>> round(1 / one_example([288 / 297, 290 / 297, 1.0]))
        297
    """
    size = 1
    for share in set(shares):
        fraction = Fraction(share).limit_denominator(MOST_EXAMPLES)
        size = math.lcm(size, fraction.denominator)
        if abs(fraction - Fraction(share)) > 1e-12 or size > MOST_EXAMPLES:
            return 0.0
    return 1 / size

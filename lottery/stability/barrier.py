"""The error barrier on the line between two networks."""

from collections.abc import Mapping


def evenly_spaced(count: int) -> list[float]:
    """Return evenly spaced numbers from 0 to 1, both included.

    Raises:
        ValueError: fewer than three: there would be no point between the ends.

    Example:
        >>> evenly_spaced(5)
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if count < 3:
        raise ValueError(f"points={count}: 3 or more, two of them are the ends")
    return [number / (count - 1) for number in range(count)]


def error_barrier(errors: Mapping[float, float]) -> float:
    """Return sup E(alpha) - (E(0) + E(1)) / 2 over a line's points: the instability of a pair.

    The definition is that of Frankle, Dziugaite, Roy and Carbin (2020). The result is at least 0,
    because the ends are among the points.

    Args:
        errors: share of wrong answers by alpha, 0 and 1 included.

    Example:
        >>> error_barrier({0.0: 0.25, 0.5: 0.75, 1.0: 0.25})
        0.5
    """
    return max(errors.values()) - (errors[0.0] + errors[1.0]) / 2

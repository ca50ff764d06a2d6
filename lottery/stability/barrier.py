"""The error barrier on the line between two networks."""

from collections.abc import Mapping


def evenly_spaced(count: int) -> list[float]:
    """Numbers from 0 to 1, both included.

    Raises:
        ValueError: fewer than three, which are the ends alone.

    Example:
        >>> evenly_spaced(5)
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if count < 3:
        raise ValueError(f"points={count}: 3 or more, of which two are the ends")
    return [number / (count - 1) for number in range(count)]


def error_barrier(errors: Mapping[float, float]) -> float:
    """sup E(alpha) - (E(0) + E(1)) / 2 over the points of a line: the instability of a pair.

    Frankle, Dziugaite, Roy and Carbin (2020). At least 0, as the ends are among the points.

    Args:
        errors: share of wrong answers by alpha, 0 and 1 included.

    Example:
        >>> error_barrier({0.0: 0.25, 0.5: 0.75, 1.0: 0.25})
        0.5
    """
    return max(errors.values()) - (errors[0.0] + errors[1.0]) / 2

"""When masks move, and by how much: functions of the step."""

import math

from lottery.arguments import check_whole
from lottery.dynamic.interface import Span


def check_part(name: str, value: object, *, at_least_0: bool = False) -> None:
    """Check that an argument is a share of the round's steps, or of a layer's weights."""
    is_number = type(value) in (int, float)
    low = is_number and (value >= 0 if at_least_0 else value > 0)  # type: ignore[operator]  # it is a number
    if not (low and value <= 1):  # type: ignore[operator]  # as above
        accepted = "a number from 0 to 1" if at_least_0 else "a number above 0, at most 1"
        raise ValueError(f"{name}={value}: {accepted}")


def check_every(every: object) -> None:
    """Check the number of steps between updates."""
    check_whole("every", every, at_least=1)


def steps_before(span: Span, every: int, end: float) -> list[int]:
    """Return every `every`-th step of a round before a share `end` of it is made.

    Example:
        >>> steps_before(Span(0, 1000), every=250, end=0.75)
        [250, 500]
    """
    return list(range(span.first + every, span.at(end), every))


def cosine(step: int, span: Span, end: float) -> float:
    """Return (1 + cos(pi t / T)) / 2 at step t of the T steps up to `end`: it falls from 1 to 0.

    Example:
        >>> [round(cosine(step, Span(0, 1000), end=0.6), 3) for step in (0, 300, 600)]
        [1.0, 0.5, 0.0]
    """
    return (1 + math.cos(math.pi * (step - span.first) / (span.at(end) - span.first))) / 2


def cubic(before: int, after: int, share: float) -> int:
    """Return the weights left after a share of the way from `before` to `after`.

    It is after + (before - after) (1 - share)^3 (Zhu & Gupta 2017), halves to even.

    Example:
        >>> [cubic(1000, 100, i / 4) for i in (0, 1, 2, 3, 4)]
        [1000, 480, 212, 114, 100]
    """
    return after + round((before - after) * (1 - share) ** 3)

"""What a figure shows, computed once, whoever draws it: points, axes, colours."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lottery.report.statistics import Summary

# Okabe and Ito (2008), told apart by people with any colour vision; without its yellow.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("solid", "dash", "dot", "dashdot")
MARKERS = ("circle", "square", "triangle-up", "diamond", "x", "triangle-down", "star")
GREY = "#666666"
PRUNED_PER_TICK = 0.8  # the papers' ladder: 80 % of the weights stay


@dataclass(frozen=True)
class Style:
    """How a line looks; colour, dash and marker each tell it apart without the others' help."""

    color: str
    dash: str = "solid"
    marker: str | None = "circle"


@dataclass(frozen=True)
class Axis:
    """An axis; ticks without text are small ones, no ticks leave them to who draws."""

    label: str
    log: bool = False
    reverse: bool = False
    from_zero: bool = False
    ticks: tuple[tuple[float, str], ...] = ()
    span: tuple[float, float] | None = None  # lowest, highest; needed where log


@dataclass(frozen=True)
class Line:
    """Points, joined or not, with a band, or bars, from `low` to `high` where there is one."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: Style
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    on_right: bool = False  # by the right axis
    joined: bool = True


@dataclass(frozen=True)
class Note:
    """A word at a point, on the side where there is room."""

    x: float
    y: float
    text: str
    below: bool = True
    to_left: bool = True


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    right: Axis | None = None
    level: tuple[float, str] | None = None  # a dashed horizontal line, and what it is
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Figure:
    """Panels that belong together."""

    name: str  # of its files
    title: str
    caption: str
    panels: tuple[Panel, ...] = field(default=())


def style(number: int) -> Style:
    """The style of the n-th line; 28 pairs of colour and dash."""
    dash = DASHES[number // len(COLORS) % len(DASHES)]
    return Style(COLORS[number % len(COLORS)], dash, MARKERS[number % len(MARKERS)])


def line_of_means(
    label: str,
    x: Mapping[int, float],
    y: Mapping[int, Summary],
    look: Style,
    *,
    scale: float = 1,
    interval: bool = False,
) -> Line:
    """Means over seeds by round, with the band over them where a round has several.

    Args:
        label: of the line.
        x: by round.
        y: by round; rounds without an `x` are left out.
        look: of the line.
        scale: 100 for percent.
        interval: the band is the confidence interval instead of lowest to highest.
    """
    rounds = [number for number in y if number in x]
    several = any(y[number].count > 1 for number in rounds)
    bands = [_band(y[number], interval=interval) for number in rounds] if several else []
    return Line(
        label,
        x=tuple(x[number] for number in rounds),
        y=tuple(scale * y[number].mean for number in rounds),
        style=look,
        low=tuple(scale * low for low, _ in bands),
        high=tuple(scale * high for _, high in bands),
    )


def _band(summary: Summary, *, interval: bool) -> tuple[float, float]:
    if not interval:
        return summary.lowest, summary.highest
    return summary.interval if summary.count > 1 else (summary.mean, summary.mean)


def remaining_axis(lines: Sequence[Line]) -> Axis:
    """Weights remaining, from 100 % down, with ticks where rounds of 20 % would be."""
    lowest = min((x for line in lines for x in line.x if x > 0), default=100)
    steps = math.ceil(math.log(lowest / 100) / math.log(PRUNED_PER_TICK) - 0.02)
    every = 1 if steps <= 4 else 3 * math.ceil(steps / 24)
    ladder = [100 * PRUNED_PER_TICK**step for step in range(max(steps, 1) + 1)]
    ticks = [
        (value, format_percent_tick(value) if step % every == 0 else "")
        for step, value in enumerate(ladder)
    ]
    span = min(lowest, ladder[-1]) / 1.08, 108.0
    return Axis("weights remaining (%)", log=True, reverse=True, ticks=tuple(ticks), span=span)


def format_percent_tick(value: float) -> str:
    """A percentage in three digits or less.

    Example:
        >>> [format_percent_tick(value) for value in (100, 51.2, 6.87195, 0.92234)]
        ['100', '51.2', '6.9', '0.92']
    """
    return f"{value:.2g}" if value < 1 else f"{value:.1f}".removesuffix(".0")


def count_axis(label: str, lines: Sequence[Line]) -> Axis:
    """Large numbers on a log axis, with ticks at 1, 2 and 5 times powers of ten; more if short."""
    values = [x for line in lines for x in line.x if x > 0] or [1.0]
    low, high = min(values) / 1.2, max(values) * 1.2
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide, narrow = high / low > 200, 2 < high / low < 6
    ticks = [
        (digit * 10.0**power, "" if wide and digit > 1 else format_count(digit * 10.0**power))
        for power in powers
        for digit in (range(1, 10) if narrow else (1, 2, 5))
    ]
    shown = tuple((value, text) for value, text in ticks if low <= value <= high)
    return Axis(label, log=True, ticks=shown, span=(low, high))


def format_count(value: float) -> str:
    """A large number with a unit's prefix.

    Example:
        >>> [format_count(value) for value in (500, 20_000, 5_000_000, 10_022_289_408)]
        ['500', '20 k', '5 M', '10 G']
    """
    for size, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.3g}"


def on_right(line: Line) -> Line:
    """The line by the right axis."""
    return replace(line, on_right=True)

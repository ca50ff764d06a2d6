"""What a figure shows, as data that both renderers draw: points, axes, colours."""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from lottery.record.score import Score
from lottery.report.read.statistics import Summary

# Okabe and Ito (2008), distinct for people with any colour vision; without its yellow.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("solid", "dash", "dot", "dashdot")
MARKERS = ("circle", "square", "triangle-up", "diamond", "x", "triangle-down", "star")
GREY = "#666666"
COLOR_MAP = "cividis"  # of images; for any colour vision
KEPT_PER_TICK = 0.8  # the papers' ladder: each round keeps 80 % of the weights
MAX_LINES = 14  # that a reader can tell apart in one figure


@dataclass(frozen=True)
class Style:
    """The look of a line; colour, dash and marker each distinguish it alone."""

    color: str
    dash: str = "solid"
    marker: str | None = "circle"


@dataclass(frozen=True)
class Axis:
    """An axis. Empty `ticks`: the renderer chooses. A tick without text is a minor tick."""

    label: str
    log: bool = False
    reverse: bool = False
    from_zero: bool = False
    ticks: tuple[tuple[float, str], ...] = ()
    span: tuple[float, float] | None = None  # lowest and highest value; needed on a log axis

    def is_right_of_centre(self, value: float) -> bool:
        """Return whether a value is in the right half of the axis, which must have a span."""
        low, high = self.span or (value, value)
        centre = math.sqrt(low * high) if self.log else (low + high) / 2
        return (value < centre) if self.reverse else (value > centre)


@dataclass(frozen=True)
class Line:
    """Points, joined or not, with a band or error bars from `low` to `high` if these are given."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: Style
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    on_right_axis: bool = False
    joined: bool = True
    settings: tuple[str, ...] = ()  # labels of the settings whose line it is, if it is one's

    @property
    def errors(self) -> list[list[float]] | None:
        """Lengths of the error bars below and above the points, if there are any."""
        down = [y - low for y, low in zip(self.y, self.low, strict=False)]
        up = [high - y for high, y in zip(self.high, self.y, strict=False)]
        return [down, up] if self.low else None


@dataclass(frozen=True)
class Image:
    """A map of values, row by row from the top."""

    rows: tuple[tuple[float, ...], ...]
    label: str  # of the values


@dataclass(frozen=True)
class Note:
    """A text at a point, on the side where there is room."""

    x: float
    y: float
    text: str
    below: bool = True
    to_left: bool = True


@dataclass(frozen=True)
class Panel:
    """One pair of axes with its lines."""

    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    title: str = ""
    right: Axis | None = None
    level: tuple[float, str] | None = None  # height and label of a dashed horizontal line
    notes: tuple[Note, ...] = ()
    image: Image | None = None  # instead of lines
    setting: str = ""  # the label of the setting that all of it is about


@dataclass(frozen=True)
class Figure:
    """Panels with a common caption; the name is that of the figure's files.

    Of the panels about one setting only the first `most` are shown at once.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    most: int = 6


def for_paper(figure: Figure, settings: Sequence[str]) -> Figure:
    """Return a figure for a picture, where nobody can choose: of the first settings only.

    Args:
        figure: as the page has it, with all settings.
        settings: the labels of all settings, in order.
    """
    drawn = set(settings[:MAX_LINES])
    shown = [one.setting for one in figure.panels if one.setting in drawn][: figure.most]
    panels = [panel for panel in figure.panels if panel.setting in ("", *shown)]
    panels = [
        replace(panel, lines=tuple(line for line in panel.lines if _is_of(line, drawn)))
        for panel in panels
    ]
    more = len(settings) - MAX_LINES
    note = f" {more} more settings are not drawn." if more > 0 else ""
    left_out = len(figure.panels) - len(panels)
    if left_out:
        note = f" {left_out} more panels are not drawn.{note}"
    return replace(figure, panels=tuple(panels), caption=figure.caption + note)


def _is_of(line: Line, settings: Container[str]) -> bool:
    return not line.settings or any(setting in settings for setting in line.settings)


def style(number: int) -> Style:
    """Return the style of the n-th line; there are 28 pairs of colour and dash."""
    dash = DASHES[number // len(COLORS) % len(DASHES)]
    return Style(COLORS[number % len(COLORS)], dash, MARKERS[number % len(MARKERS)])


def line_of_means(
    label: str, points: Sequence[tuple[float, Summary]], look: Style, factor: float = 1
) -> Line:
    """Return the line of means over seeds, with a band if any point has several values."""
    several = any(summary.count > 1 for _, summary in points)
    bands = [summary.band for _, summary in points] if several else []
    return Line(
        label,
        x=tuple(x for x, _ in points),
        y=tuple(factor * summary.mean for _, summary in points),
        style=look,
        low=tuple(factor * low for low, _ in bands),
        high=tuple(factor * high for _, high in bands),
    )


def score_axis(score: Score) -> Axis:
    """Return the axis of a test score at ES."""
    return Axis(f"test {score.metric} at ES{f' ({score.unit})' if score.unit else ''}")


def remaining_axis(lines: Sequence[Line]) -> Axis:
    """Return the axis of weights remaining: from 100 % down, ticks at rounds that prune 20 %."""
    lowest = min((x for line in lines for x in line.x if x > 0), default=100)
    steps = math.ceil(math.log(lowest / 100) / math.log(KEPT_PER_TICK) - 0.02)
    every = 1 if steps <= 4 else 3 * math.ceil(steps / 24)
    ladder = [100 * KEPT_PER_TICK**step for step in range(max(steps, 1) + 1)]
    ticks = [
        (value, format_percent_tick(value) if step % every == 0 else "")
        for step, value in enumerate(ladder)
    ]
    span = min(lowest, ladder[-1]) / 1.08, 108.0
    return Axis("weights remaining (%)", log=True, reverse=True, ticks=tuple(ticks), span=span)


def format_percent_tick(value: float) -> str:
    """Write a percentage in at most three digits, as 100, 51.2 and 0.92."""
    return f"{value:.2g}" if value < 1 else f"{value:.1f}".removesuffix(".0")


def count_axis(label: str, lines: Sequence[Line]) -> Axis:
    """Return a log axis for large numbers: ticks at 1, 2, 5 times powers of ten, more if short."""
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
    """Write a large number with a unit prefix, as 500, 20 k and 5 M."""
    for power, prefix in zip((18, 15, 12, 9, 6, 3), "EPTGMk", strict=True):
        if value >= 10.0**power:
            return f"{value / 10.0**power:.3g} {prefix}"
    return f"{value:.3g}"

"""The figure of verdicts: each rule's effect with its interval, and its bound."""

from collections.abc import Mapping, Sequence

from lottery.claims.judge import CANNOT_SAY, FAILS, HOLDS, Finding
from lottery.claims.measured import POINTS, TIMES, Unit
from lottery.report.figures.figure import COLORS, GREY, Axis, Figure, Line, Panel, Style

NAME = "claims"
LOOKS = {
    HOLDS: Style(COLORS[0], marker="circle"),
    FAILS: Style(COLORS[1], marker="square"),
    CANNOT_SAY: Style(COLORS[3], marker="diamond"),
}
BOUND = {"above": Style(GREY, marker="triangle-up"), "below": Style(GREY, marker="triangle-down")}
LARGE = 3.0  # points; effects that reach further have a panel of their own
RATIO_TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
WIDEST = (0.08, 12.5)  # of an axis of ratios; longer intervals are cut off


def effects_figure(findings: Sequence[Finding]) -> Figure | None:
    """Draw the findings that were measured, under their numbers in the table of rules."""
    measured = {
        number: one for number, one in enumerate(findings, start=1) if one.summary is not None
    }
    gains = {n: one for n, one in measured.items() if one.rule.unit == POINTS}
    large = {n: one for n, one in gains.items() if _reach(one) > LARGE}
    small = {n: one for n, one in gains.items() if n not in large}
    ratios = {n: one for n, one in measured.items() if one.rule.unit == TIMES}
    panels = tuple(_panel(drawn) for drawn in (small, large, ratios) if drawn)
    if not panels:
        return None
    return Figure(
        name=NAME,
        title="Effects and bounds",
        caption="The effect of each rule, mean over the seeds with its 95 % confidence interval, "
        "by its number in the table of rules. A grey triangle is the bound: the whole interval "
        "must be on the side to which it points. Intervals that leave the axis of ratios are cut "
        "off there.",
        panels=panels,
    )


def _reach(finding: Finding) -> float:
    assert finding.summary is not None
    return max(map(abs, finding.summary.interval))


def _panel(drawn: Mapping[int, Finding]) -> Panel:
    """Draw findings of one unit, by their numbers in the table."""
    unit = next(iter(drawn.values())).rule.unit
    places = {number: float(place) for place, number in enumerate(drawn, start=1)}
    points = [(places[number], one) for number, one in drawn.items()]
    lines = [_bounds(side, points) for side in BOUND]  # under the effects
    lines += [
        _effects(verdict, [point for point in points if point[1].verdict == verdict], unit)
        for verdict in LOOKS
    ]
    ticks = tuple((value, f"{value:g}") for value in RATIO_TICKS)
    ratios = Axis("ratio (times)", log=True, ticks=ticks, span=WIDEST)
    return Panel(
        x=Axis(
            "rule",
            ticks=tuple((place, str(number)) for number, place in places.items()),
            span=(0.4, len(drawn) + 0.6),
        ),
        y=ratios if unit.is_ratio else Axis("effect (points)"),
        lines=tuple(line for line in lines if line.x),
        level=(1.0 if unit.is_ratio else 0.0, "no difference"),
    )


def _effects(verdict: str, drawn: Sequence[tuple[float, Finding]], unit: Unit) -> Line:
    summaries = [one.summary for _, one in drawn if one.summary is not None]
    return Line(
        verdict,
        x=tuple(place for place, _ in drawn),
        y=tuple(_shown(summary.mean, unit) for summary in summaries),
        style=LOOKS[verdict],
        low=tuple(_shown(summary.interval[0], unit) for summary in summaries),
        high=tuple(_shown(summary.interval[1], unit) for summary in summaries),
        joined=False,
    )


def _shown(value: float, unit: Unit) -> float:
    shown = unit.shown(value)
    return min(max(shown, WIDEST[0]), WIDEST[1]) if unit.is_ratio else shown


def _bounds(side: str, drawn: Sequence[tuple[float, Finding]]) -> Line:
    bounds = [(place, getattr(one.rule.bound, side)) for place, one in drawn]
    known = [(place, value) for place, value in bounds if value is not None]
    return Line(
        f"must be {side}",
        x=tuple(place for place, _ in known),
        y=tuple(value for _, value in known),
        style=BOUND[side],
        joined=False,
    )

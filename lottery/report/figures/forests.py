"""The lines of forests on features, for figure 5."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import cycle

from lottery.report.figures.figure import MARKERS, Line, Style, style
from lottery.report.read.forests import RunForests

OTHER_STYLES = tuple(Style("#000000", "solid", marker) for marker in reversed(MARKERS))


def forest_lines(forests: RunForests) -> list[Line]:
    """Return test accuracy against FLOPs: per layer from dense to pruned features, then others."""
    points: dict[str, dict[float, float]] = {}
    for entry in forests.forests:
        for measured in (entry["dense"], entry["pruned"]):
            if measured is not None:
                of_layer = points.setdefault(f"forest on {entry['layer']}", {})
                of_layer[float(measured["flops"])] = 100 * measured["test"]
    lines = [
        _line(label, of_layer, replace(style(number), dash="dot"))
        for number, (label, of_layer) in enumerate(points.items(), start=1)
    ]
    others = [entry for entry in forests.compared if entry["flops"] is not None]
    return lines + [
        _line(entry["name"], {float(entry["flops"]): 100 * entry["test"]}, look)
        for entry, look in zip(others, cycle(OTHER_STYLES), strict=False)
    ]


def _line(label: str, points: Mapping[float, float], look: Style) -> Line:
    most_first = sorted(points.items(), reverse=True)
    return Line(label, tuple(x for x, _ in most_first), tuple(y for _, y in most_first), look)

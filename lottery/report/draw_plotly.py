"""Figures for the page, as the JSON that plotly.js draws."""

import math
from typing import Any

from lottery.report.figure import GREY, Axis, Line, Note, Panel

HEIGHT = 340  # pixels, without the legend
FONT = {"family": "system-ui, sans-serif", "size": 13, "color": "#222"}


def panel_json(panel: Panel) -> dict[str, Any]:
    """One panel as plotly's `data` and `layout`; each line's own trace is named as the line."""
    data = [trace for line in panel.lines for trace in (*_band(line), _trace(line))]
    layout: dict[str, Any] = {
        "xaxis": _axis(panel.x),
        "yaxis": _axis(panel.y),
        "font": FONT,
        "height": HEIGHT,
        "autosize": True,
        "margin": {"l": 60, "r": 70 if panel.right else 15, "t": 36},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hovermode": "closest",
        "showlegend": True,
        "legend": {
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0,
            "xanchor": "left",
            "font": {"size": 12},
            "maxheight": 1,  # of the plot; by default half, with a scroll bar
        },
        "annotations": [_annotation(note, panel) for note in panel.notes],
    }
    if panel.right:
        right = {"overlaying": "y", "side": "right", "showgrid": False, "tickmode": "auto"}
        layout["yaxis2"] = _axis(panel.right) | right
    if panel.level:
        data.append(_level(panel))
    return {"data": data, "layout": layout}


def _trace(line: Line) -> dict[str, Any]:
    look = line.style
    trace: dict[str, Any] = {
        "type": "scatter",
        "name": line.label,
        "x": list(line.x),
        "y": list(line.y),
        "mode": _mode(line),
        "line": {"color": look.color, "dash": look.dash, "width": 2},
        "legendgroup": line.label,
        "hovertemplate": "%{x:.5~g}, %{y:.6~g}",
    }
    if look.marker:
        size = 7 if line.joined else 10
        trace["marker"] = {"symbol": look.marker, "size": size, "color": look.color}
    if line.low and not line.joined:
        trace["error_y"] = _bars(line)
    return trace | ({"yaxis": "y2"} if line.on_right else {})


def _mode(line: Line) -> str:
    if not line.joined:
        return "markers"
    return "lines+markers" if line.style.marker else "lines"


def _bars(line: Line) -> dict[str, Any]:
    up = [high - y for high, y in zip(line.high, line.y, strict=True)]
    down = [y - low for y, low in zip(line.y, line.low, strict=True)]
    return {"symmetric": False, "array": up, "arrayminus": down, "thickness": 1.5, "width": 4}


def _band(line: Line) -> list[dict[str, Any]]:
    """A line at the low end and, filled down to it, one at the high end; neither is seen."""
    edge = {
        "type": "scatter",
        "mode": "lines",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "x": list(line.x),
        "showlegend": False,
        "legendgroup": line.label,
        **({"yaxis": "y2"} if line.on_right else {}),
    }
    if not line.low or not line.joined:
        return []
    fill = {"fill": "tonexty", "fillcolor": _transparent(line.style.color)}
    return [edge | {"y": list(line.low)}, edge | fill | {"y": list(line.high)}]


def _transparent(color: str) -> str:
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def _level(panel: Panel) -> dict[str, Any]:
    assert panel.level is not None
    value, label = panel.level
    ends = panel.x.span or (0, 1)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label,
        "x": list(ends),
        "y": [value, value],
        "hoverinfo": "skip",
        "line": {"color": GREY, "dash": "dash", "width": 1.5},
    }


def _annotation(note: Note, panel: Panel) -> dict[str, Any]:
    return {
        "x": math.log10(note.x) if panel.x.log else note.x,
        "y": note.y,
        "text": note.text,
        "ax": 0,
        "ay": 50 if note.below else -50,
        "showarrow": True,
        "xanchor": "right" if note.to_left else "left",
        "arrowhead": 6,
        "arrowwidth": 1,
        "bgcolor": "rgba(255,255,255,0.8)",
    }


def _ends(axis: Axis) -> tuple[float, float]:
    assert axis.span is not None
    low, high = (math.log10(end) if axis.log else end for end in axis.span)
    return low, high


def _axis(axis: Axis) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "title": {"text": axis.label, "standoff": 8},
        "automargin": True,
        "gridcolor": "#e6e6e6",
        "linecolor": "#444",
        "ticks": "outside",
        "zeroline": False,
    }
    if axis.from_zero:
        spec["rangemode"] = "tozero"
    if axis.log:
        spec["type"] = "log"
    if axis.ticks:
        spec["tickvals"] = [value for value, _ in axis.ticks]
        spec["ticktext"] = [text for _, text in axis.ticks]
    if axis.span:
        spec["range"] = list(_ends(axis))[:: -1 if axis.reverse else 1]
    return spec

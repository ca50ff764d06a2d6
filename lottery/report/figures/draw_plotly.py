"""Write panels as the JSON that plotly.js draws; figures.js adds what all panels share.

What figures.js alone reads is in `meta`: of a panel its setting, of a line its label, settings
and colour.
"""

import math
from html import escape
from typing import Any

from lottery.report.figures.figure import COLOR_MAP, GREY, Axis, Image, Line, Note, Panel

Json = dict[str, Any]

ERROR_BARS = {"symmetric": False, "thickness": 1.5, "width": 4}


def panel_json(panel: Panel) -> Json:
    """Return a panel as plotly's `data` and `layout`; the trace of a line has the line's name."""
    data: list[Json] = []
    for number, line in enumerate(panel.lines):
        again = any(line.label == earlier.label for earlier in panel.lines[:number])
        data += [*_band(line), _trace(line) | ({"showlegend": False} if again else {})]
    layout: Json = {"xaxis": _axis(panel.x), "yaxis": _axis(panel.y)}
    if panel.setting:
        layout["meta"] = {"setting": panel.setting}
    layout["annotations"] = [_annotation(note, log_x=panel.x.log) for note in panel.notes]
    if panel.image:
        data.append(_image(panel.image))
        layout["yaxis"] |= {"scaleanchor": "x", "constrain": "domain"}
        layout["xaxis"] |= {"constrain": "domain"}
    if panel.right:
        right = {"overlaying": "y", "side": "right", "showgrid": False, "tickmode": "auto"}
        layout["yaxis2"] = _axis(panel.right) | right
    if panel.level:
        data.append(_level(*panel.level, span=panel.x.span or (0, 1)))
    return {"data": data, "layout": layout}


def _trace(line: Line) -> Json:
    look = line.style
    lines = "lines+markers" if look.marker else "lines"
    trace: Json = {
        "name": _plain(line.label),
        "x": list(line.x),
        "y": list(line.y),
        "mode": lines if line.joined else "markers",
        "line": {"color": look.color, "dash": look.dash, "width": 2},
        "meta": _meta(line),
        "hovertemplate": "%{x:.5~g}, %{y:.6~g}",
    }
    if look.marker:
        size = 7 if line.joined else 10
        trace["marker"] = {"symbol": look.marker, "size": size, "color": look.color}
    if line.errors and not line.joined:
        down, up = line.errors
        trace["error_y"] = ERROR_BARS | {"array": up, "arrayminus": down}
    return trace | ({"yaxis": "y2"} if line.on_right_axis else {})


def _meta(line: Line) -> Json:
    return {
        "label": line.label,
        "settings": list(line.settings),
        "color": line.style.color,
    }


def _plain(text: str) -> str:
    """Return a text so that plotly.js shows it as it is; it takes some HTML for markup."""
    return escape(text, quote=False)


def _band(line: Line) -> list[Json]:
    """Return two invisible lines, at the low and the high end, with a fill between them."""
    if not line.low or not line.joined:
        return []
    edge = {
        "mode": "lines",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "x": list(line.x),
        "showlegend": False,
        "meta": _meta(line),
        **({"yaxis": "y2"} if line.on_right_axis else {}),
    }
    fill = {"fill": "tonexty", "fillcolor": _transparent(line.style.color)}
    return [edge | {"y": list(line.low)}, edge | fill | {"y": list(line.high)}]


def _transparent(color: str) -> str:
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def _level(value: float, label: str, *, span: tuple[float, float]) -> Json:
    return {
        "mode": "lines",
        "name": _plain(label),
        "meta": {"label": label, "settings": [], "color": GREY},
        "x": list(span),
        "y": [value, value],
        "hoverinfo": "skip",
        "line": {"color": GREY, "dash": "dash", "width": 1.5},
    }


def _image(image: Image) -> Json:
    return {
        "type": "heatmap",
        "z": [list(row) for row in image.rows],
        "zmin": 0,
        "zmax": max(max(row) for row in image.rows) or 1,
        "colorscale": COLOR_MAP.capitalize(),
        "colorbar": {"title": {"text": image.label, "side": "right"}, "thickness": 12},
        "hovertemplate": "column %{x}, row %{y}: %{z:.3~g}<extra></extra>",
    }


def _annotation(note: Note, *, log_x: bool) -> Json:
    return {
        "x": math.log10(note.x) if log_x else note.x,
        "y": note.y,
        "text": _plain(note.text),
        "ax": 0,
        "ay": 50 if note.below else -50,
        "showarrow": True,
        "xanchor": "right" if note.to_left else "left",
        "arrowhead": 6,
        "arrowwidth": 1,
        "bgcolor": "rgba(255,255,255,0.8)",
    }


def _axis(axis: Axis) -> Json:
    spec: Json = {"title": {"text": axis.label, "standoff": 8}}
    spec |= {"exponentformat": "none", "separatethousands": True}  # 0.0005 ms is no "500µ ms"
    if axis.from_zero:
        spec["rangemode"] = "tozero"
    if axis.log:
        spec["type"] = "log"
    if axis.ticks:
        spec["tickvals"] = [value for value, _ in axis.ticks]
        spec["ticktext"] = [text for _, text in axis.ticks]
    if axis.span:
        ends = [math.log10(end) if axis.log else end for end in axis.span]
        spec["range"] = ends[:: -1 if axis.reverse else 1]
    return spec

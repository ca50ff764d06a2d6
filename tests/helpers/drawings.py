"""Read the lines of a report's figures back from what plotly and matplotlib draw."""

import json
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from matplotlib.axes import Axes

from lottery.record.opened_run import OpenedRun
from lottery.report.contents import make_contents
from lottery.report.figures.draw_matplotlib import draw
from lottery.report.figures.draw_plotly import panel_json
from lottery.report.figures.figure import Figure

Points = tuple[list[float], list[float]]


def on_page(figure: Figure) -> list[dict[str, Points]]:
    """Return the lines of each panel by name, from the page's JSON, which plotly must accept."""
    panels = []
    for panel in figure.panels:
        spec = json.loads(json.dumps(panel_json(panel)))
        drawn = go.Figure(spec)  # raises an error for a property that plotly does not have
        panels.append({t.name: (list(t.x), list(t.y)) for t in drawn.data if t.name})
    return panels


def on_paper(figure: Figure) -> list[dict[str, Points]]:
    """Return the lines of each panel by name, from matplotlib's axes."""
    axes: list[list[Axes]] = []
    for one in draw(figure).axes:
        if axes and one.bbox.bounds == axes[-1][0].bbox.bounds:
            axes[-1].append(one)  # its right axis
        else:
            axes.append([one])
    return [
        {
            str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
            for one in pair
            for line in one.lines
        }
        for pair in axes
    ]


def both(figure: Figure) -> list[dict[str, Points]]:
    """Check that both draw the same lines, and return them without marks and levels."""
    page, paper = on_page(figure), on_paper(figure)
    assert len(page) == len(paper) == len(figure.panels)
    found = []
    for panel, here, there in zip(figure.panels, page, paper, strict=True):
        names = [line.label for line in panel.lines]
        assert len(names) == len(set(names))
        assert {name: here[name] for name in names} == {name: there[name] for name in names}
        found.append({name: here[name] for name in names})
    return found


def figures(runs: Sequence[OpenedRun], **options: Any) -> dict[str, Figure]:
    return {figure.name: figure for figure in make_contents(runs, **options).figures}

"""The lines of a report's figures as they are drawn, on the page and on paper."""

import json
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from matplotlib.axes import Axes

from lottery.report.contents import make_contents
from lottery.report.figures.draw_matplotlib import draw
from lottery.report.figures.draw_plotly import panel_json
from lottery.report.figures.figure import Figure
from lottery.report.read.runs import RunRecord

Points = tuple[list[float], list[float]]


def on_page(figure: Figure) -> list[dict[str, Points]]:
    """The lines of each panel by name, as the page's JSON has them; plotly finds it valid."""
    panels = []
    for panel in figure.panels:
        spec = json.loads(json.dumps(panel_json(panel)))
        drawn = go.Figure(spec)  # raises at a property that plotly does not have
        panels.append({t.name: (list(t.x), list(t.y)) for t in drawn.data if t.name})
    return panels


def on_paper(figure: Figure) -> list[dict[str, Points]]:
    """The lines of each panel by name, as matplotlib's axes have them."""
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
    """What is drawn, which must be the same twice; helpers like marks left out."""
    page, paper = on_page(figure), on_paper(figure)
    assert len(page) == len(paper) == len(figure.panels)
    found = []
    for panel, here, there in zip(figure.panels, page, paper, strict=True):
        names = [line.label for line in panel.lines]
        assert len(names) == len(set(names))
        assert {name: here[name] for name in names} == {name: there[name] for name in names}
        found.append({name: here[name] for name in names})
    return found


def figures(runs: Sequence[RunRecord], **options: Any) -> dict[str, Figure]:
    return {figure.name: figure for figure in make_contents(runs, **options).figures}

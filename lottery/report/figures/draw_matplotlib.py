"""Draw figures for a paper, as PNG and PDF, by matplotlib."""

import logging
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.record.files import replacing
from lottery.report.figures.figure import (
    COLOR_MAP,
    DASHES,
    GREY,
    MARKERS,
    Axis,
    Figure,
    Line,
    Note,
    Panel,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

PER_ROW = 3
PANEL_INCHES = (3.6, 2.7)
LEGEND_INCHES = 0.17  # per row
LINE_STYLES = dict(zip(DASHES, ("-", "--", ":", "-."), strict=True))
MARKER_CODES = dict(zip(MARKERS, "os^DXv*", strict=True))
STYLE = Path(__file__).with_name("paper.mplstyle")
# Metadata by file type, without dates: the same run gives the same files.
METADATA: dict[str, dict[str, Any]] = {"png": {"Software": None}, "pdf": {"CreationDate": None}}


def save_figure(figure: Figure, folder: Path) -> None:
    """Write a figure as NAME.png and NAME.pdf."""
    for name in ("fontTools", "matplotlib"):  # they log every font that they embed
        logging.getLogger(name).setLevel(logging.WARNING)
    with chdir(STYLE.parent):  # a stranger's folder may hold a `matplotlibrc`
        import matplotlib

    with matplotlib.rc_context(fname=STYLE):
        drawing = draw(figure)
        drawing.draw_without_rendering()  # makes the layout, once for both files
        drawing.set_layout_engine("none")
        for kind, metadata in METADATA.items():
            with replacing(folder / f"{figure.name}.{kind}") as aside:
                drawing.savefig(aside, format=kind, dpi=200, metadata=metadata)


def draw(figure: Figure) -> "Drawing":
    """Return the figure as matplotlib draws it, the panels in order among its axes."""
    from matplotlib.figure import Figure as Drawing

    columns, rows = min(len(figure.panels), PER_ROW), -(-len(figure.panels) // PER_ROW)
    labels = {line.label for panel in figure.panels for line in panel.lines}
    width, height = PANEL_INCHES[0] * max(columns, 1.2), PANEL_INCHES[1] * rows
    legend_columns = max(1, int(width / (0.5 + 0.055 * max(map(len, labels), default=1))))
    height += LEGEND_INCHES * -(-(len(labels) + 1) // legend_columns)
    drawing = Drawing(figsize=(width, height), layout="constrained")
    handles: dict[str, Any] = {}
    for number, panel in enumerate(figure.panels, start=1):
        handles |= _draw_panel(drawing.add_subplot(rows, columns, number), panel)
    if handles:  # maps have none
        drawing.legend(
            handles=list(handles.values()),
            labels=list(map(_plain, handles)),
            loc="outside lower center",
            ncols=legend_columns,
            frameon=False,
        )
    return drawing


def _plain(text: str) -> str:
    """Return a text so that matplotlib shows it as it is; it takes "$x$" for a formula."""
    return text.replace("$", r"\$")


def _draw_panel(axes: "Axes", panel: Panel) -> dict[str, Any]:
    """Draw one panel and return the entries of its legend."""
    right = axes.twinx() if panel.right else None
    handles = {}
    for line in panel.lines:
        target = right if right is not None and line.on_right_axis else axes
        handles[line.label] = _draw_line(target, line)
    if panel.level:
        value, label = panel.level
        handles[label] = axes.axhline(value, color=GREY, linestyle="--", linewidth=0.9)
    if panel.image:
        mapped = axes.imshow(panel.image.rows, cmap=COLOR_MAP, vmin=0, aspect="equal")
        axes.figure.colorbar(mapped, ax=axes, label=_plain(panel.image.label))
        axes.grid(visible=False)
    for note in panel.notes:
        _draw_note(axes, note)
    _set_axis(axes, "x", panel.x)
    _set_axis(axes, "y", panel.y)
    axes.set_title(_plain(panel.title))
    if panel.right and right is not None:
        _set_axis(right, "y", panel.right)
        right.spines["right"].set_visible(True)
        right.grid(visible=False)
    else:
        axes.spines["right"].set_visible(False)
    return handles


def _draw_line(axes: "Axes", line: Line) -> Any:
    look: Any = {"color": line.style.color, "label": line.label}
    if not line.joined:
        look |= {"linestyle": "none", "marker": MARKER_CODES[line.style.marker or "circle"]}
        return axes.errorbar(x=line.x, y=line.y, yerr=line.errors, markersize=5, capsize=2, **look)
    look |= {"linestyle": LINE_STYLES[line.style.dash]}
    look |= {"marker": MARKER_CODES[line.style.marker] if line.style.marker else None}
    (drawn,) = axes.plot(line.x, line.y, **look)
    if line.low:
        color = line.style.color
        axes.fill_between(
            x=line.x, y1=line.low, y2=line.high, color=color, alpha=0.15, linewidth=0
        )
    return drawn


def _draw_note(axes: "Axes", note: Note) -> None:
    axes.plot([note.x], [note.y], marker="o", markersize=8, color="black", fillstyle="none")
    axes.annotate(
        _plain(note.text),
        (note.x, note.y),
        xytext=(4 if note.to_left else -4, -30 if note.below else 30),
        textcoords="offset points",
        ha="right" if note.to_left else "left",
        fontsize=7,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        arrowprops={"arrowstyle": "-", "color": "black", "linewidth": 0.6, "shrinkB": 4},
    )


def _set_axis(axes: "Axes", which: str, axis: Axis) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullFormatter, NullLocator

    axes.set(**{f"{which}label": _plain(axis.label)})
    if axis.log:
        axes.set(**{f"{which}scale": "log"})
    if axis.span:
        axes.set(**{f"{which}lim": axis.span[:: -1 if axis.reverse else 1]})
    if axis.from_zero:
        axes.set(**{f"{which}lim": (0, None)})
    if axis.ticks:
        drawn = axes.xaxis if which == "x" else axes.yaxis
        named = [(value, text) for value, text in axis.ticks if text]
        drawn.set_major_locator(FixedLocator([value for value, _ in named]))
        drawn.set_major_formatter(FixedFormatter([text for _, text in named]))
        minor = [value for value, text in axis.ticks if not text]
        drawn.set_minor_locator(FixedLocator(minor) if minor else NullLocator())
        drawn.set_minor_formatter(NullFormatter())

"""Figures as papers print them, PNG and PDF, by matplotlib."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.record.files import replacing
from lottery.report.figure import GREY, Axis, Figure, Line, Note, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

PER_ROW = 3
PANEL_INCHES = (3.6, 2.7)
LEGEND_INCHES = 0.17  # per row
DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle-up": "^",
    "diamond": "D",
    "x": "X",
    "triangle-down": "v",
    "star": "*",
}
STYLE: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,
    "axes.linewidth": 0.7,
    "axes.formatter.useoffset": False,
}
# No dates: the same run has the same files.
KINDS = ("png", "pdf")
METADATA: dict[str, dict[str, Any]] = {"png": {"Software": None}, "pdf": {"CreationDate": None}}


def save(figure: Figure, folder: Path) -> None:
    """Write a figure as NAME.png and NAME.pdf.

    Args:
        figure: what it shows.
        folder: where.
    """
    for name in ("fontTools", "matplotlib"):  # they tell of every font they embed
        logging.getLogger(name).setLevel(logging.WARNING)
    import matplotlib

    with matplotlib.rc_context(STYLE):
        drawing = draw(figure)
        drawing.draw_without_rendering()  # lays out; once for both files
        drawing.set_layout_engine("none")
        for kind, metadata in METADATA.items():
            with replacing(folder / f"{figure.name}.{kind}") as aside:
                drawing.savefig(aside, format=kind, dpi=200, metadata=metadata)


def draw(figure: Figure) -> "Drawing":
    """The figure as matplotlib's, its panels in order among the axes."""
    from matplotlib.figure import Figure as Drawing

    count = len(figure.panels)
    columns = min(count, PER_ROW)
    rows = -(-count // PER_ROW)
    labels = {line.label for panel in figure.panels for line in panel.lines}
    width, height = PANEL_INCHES[0] * max(columns, 1.2), PANEL_INCHES[1] * rows
    legend_columns = max(1, int(width / (0.5 + 0.055 * max(map(len, labels), default=1))))
    height += LEGEND_INCHES * -(-(len(labels) + 1) // legend_columns)
    drawing = Drawing(figsize=(width, height), layout="constrained")
    handles: dict[str, Any] = {}
    for number, panel in enumerate(figure.panels, start=1):
        axes = drawing.add_subplot(rows, columns, number)
        handles |= _draw_panel(axes, panel)
    drawing.legend(
        *(list(handles.values()), list(handles)),
        loc="outside lower center",
        ncols=legend_columns,
        frameon=False,
    )
    return drawing


def _draw_panel(axes: "Axes", panel: Panel) -> dict[str, Any]:
    """Draw one panel; its legend's entries."""
    right = axes.twinx() if panel.right else None
    handles = {}
    for line in panel.lines:
        on = right if right is not None and line.on_right else axes
        handles[line.label] = _draw_line(on, line)
    if panel.level:
        value, label = panel.level
        handles[label] = axes.axhline(value, color=GREY, linestyle="--", linewidth=0.9)
    for note in panel.notes:
        _draw_note(axes, note)
    _set_axis(axes, "x", panel.x)
    _set_axis(axes, "y", panel.y)
    axes.set_title(panel.title)
    if panel.right and right is not None:
        _set_axis(right, "y", panel.right)
        right.spines["right"].set_visible(True)
        right.grid(visible=False)
    else:
        axes.spines["right"].set_visible(False)
    return handles


def _draw_line(axes: "Axes", line: Line) -> Any:
    look = line.style
    if not line.joined:
        return _draw_points(axes, line)
    (drawn,) = axes.plot(
        *(line.x, line.y),
        color=look.color,
        linestyle=DASHES[look.dash],
        marker=MARKERS[look.marker] if look.marker else None,
        label=line.label,
    )
    if line.low:
        axes.fill_between(line.x, line.low, line.high, color=look.color, alpha=0.15, linewidth=0)
    return drawn


def _draw_points(axes: "Axes", line: Line) -> Any:
    ends = ((line.y, line.low), (line.high, line.y)) if line.low else ()
    bars = [[high - low for high, low in zip(*pair, strict=True)] for pair in ends] or None
    look = line.style
    return axes.errorbar(
        *(line.x, line.y, bars),
        color=look.color,
        linestyle="none",
        marker=MARKERS[look.marker or "circle"],
        markersize=5,
        capsize=2,
        label=line.label,
    )


def _draw_note(axes: "Axes", note: Note) -> None:
    axes.plot([note.x], [note.y], marker="o", markersize=8, color="black", fillstyle="none")
    axes.annotate(
        note.text,
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

    set_ = {name: getattr(axes, f"set_{which}{name}") for name in ("label", "scale", "lim")}
    set_["label"](axis.label)
    if axis.log:
        set_["scale"]("log")
    if axis.span:
        set_["lim"](*axis.span[:: -1 if axis.reverse else 1])
    if axis.from_zero:
        set_["lim"](0)
    if axis.ticks:
        place = axes.xaxis if which == "x" else axes.yaxis
        named = [(value, text) for value, text in axis.ticks if text]
        place.set_major_locator(FixedLocator([value for value, _ in named]))
        place.set_major_formatter(FixedFormatter([text for _, text in named]))
        small = [value for value, text in axis.ticks if not text]
        place.set_minor_locator(FixedLocator(small) if small else NullLocator())
        place.set_minor_formatter(NullFormatter())

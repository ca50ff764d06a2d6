"""Figure 6: settings side by side, and the winning ticket less its controls."""

from collections import Counter
from collections.abc import Sequence

from lottery.report.figure import Axis, Figure, Line, Panel, Style, remaining_axis, style
from lottery.report.lines import against, lines_against
from lottery.report.settings import Setting
from lottery.report.ticket_vs_controls import Comparison


def comparison_figure(
    settings: Sequence[Setting], comparisons: Sequence[Comparison], *, interval: bool
) -> Figure:
    """Figure 6: one line per setting, and one per control of a ticket.

    Args:
        settings: at most as many as can be told apart.
        comparisons: tickets with their controls.
        interval: whether bands are confidence intervals; those of differences always are.
    """
    band = "95 % confidence interval" if interval else "lowest to highest"
    lines = lines_against(settings, "remaining", "test", scale=100, interval=interval)
    panels = [Panel("", remaining_axis(lines), Axis("test accuracy at ES (%)"), lines)]
    caption = f"Mean test accuracy over the seeds; band: {band}."
    if comparisons:
        panels.append(_differences(settings, comparisons))
        caption += (
            " Beside it the test accuracy of the ticket less that of each control at equal "
            "sparsity, paired by seed, with the 95 % confidence interval of the mean difference."
        )
    return Figure("6_settings", "6. Settings compared", caption, tuple(panels))


def _differences(settings: Sequence[Setting], comparisons: Sequence[Comparison]) -> Panel:
    places = {setting.label: number for number, setting in enumerate(settings)}
    times = Counter(pair.control.label for pair in comparisons)
    lines = tuple(
        _line(
            pair,
            style(places.get(pair.control.label, number)),
            several=times[pair.control.label] > 1,
        )
        for number, pair in enumerate(comparisons)
    )
    label = "ticket less control (points)"
    return Panel("", remaining_axis(lines), Axis(label), lines, level=(0, "no difference"))


def _line(comparison: Comparison, look: Style, *, several: bool) -> Line:
    label = comparison.control.label
    if several:
        label = f"{comparison.ticket.label} less {label}"
    ticket, differences = comparison.ticket, comparison.summaries
    return against(ticket, "remaining", differences, look, label=label, interval=True)

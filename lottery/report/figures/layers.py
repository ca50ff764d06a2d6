"""Figure 3: the sparsity of each layer, round by round."""

from collections.abc import Mapping, Sequence

from lottery.report.figures.figure import GREY, Axis, Figure, Line, Panel, Style, style
from lottery.report.read.settings import Setting, with_own_masks

MAX_TICKS = 10


def layers_figure(settings: Sequence[Setting]) -> Figure:
    """Make figure 3: sparsity of each layer by round, a panel for each setting."""
    shown = with_own_masks(settings)
    caption = "Share of each layer's weights that is pruned, mean over the seeds."
    if len(shown) < len(settings):
        caption += " Settings with copied masks are left out: they are pruned as their trunks."
    return Figure(
        name="3_layers",
        title="3. Layer-wise sparsity by round",
        caption=caption,
        panels=tuple(_panel(s, s.label if len(settings) > 1 else "") for s in shown),
    )


def _panel(setting: Setting, title: str) -> Panel:
    layers, total = setting.remaining_by_layer(), setting.means("remaining")
    lines = [_line(*layer, style(number)) for number, layer in enumerate(layers.items())]
    lines.append(_line("all prunable weights", total, Style(GREY, "dash", None)))
    every = max(1, -(-len(total) // MAX_TICKS))
    ticks = tuple((float(number), str(number)) for number in list(total)[::every])
    x, y = Axis("round", ticks=ticks), Axis("sparsity (%)")
    return Panel(x, y, tuple(lines), title=title, setting=title)


def _line(label: str, shares: Mapping[int, float], look: Style) -> Line:
    sparsity = tuple(100 * (1 - share) for share in shares.values())
    return Line(label, x=tuple(float(number) for number in shares), y=sparsity, style=look)

"""Figure 3: the sparsity of each layer, round by round."""

from collections.abc import Mapping, Sequence

from lottery.report.figures.figure import GREY, Axis, Figure, Line, Panel, Style, style
from lottery.report.read.settings import Setting, with_own_masks

MAX_PANELS = 6
MAX_TICKS = 10


def layers_figure(settings: Sequence[Setting]) -> Figure:
    """Make figure 3: sparsity of each layer by round, a panel for each of the first settings."""
    others = with_own_masks(settings)
    shown = others[:MAX_PANELS]
    caption = "Share of each layer's weights that is pruned, mean over the seeds."
    if len(others) < len(settings):
        caption += " Settings with copied masks are left out: they are pruned as their trunks."
    if len(others) > len(shown):
        caption += f" {len(others) - len(shown)} more settings are left out."
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
    return Panel(Axis("round", ticks=ticks), Axis("sparsity (%)"), tuple(lines), title=title)


def _line(label: str, shares: Mapping[int, float], look: Style) -> Line:
    sparsity = tuple(100 * (1 - share) for share in shares.values())
    return Line(label, x=tuple(float(number) for number in shares), y=sparsity, style=look)

"""Figure 3: what remains of each layer, round by round."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from lottery.report.figure import GREY, Axis, Figure, Line, Panel, Style, style
from lottery.report.roles import copies
from lottery.report.settings import Setting

MAX_PANELS = 6
Shares = Mapping[str, Mapping[int, float]]  # layer -> round -> share


def remaining_by_layer(setting: Setting) -> dict[str, dict[int, float]]:
    """Share of each layer's weights left, mean over the seeds: layer -> round -> share."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in setting.runs:
        for record in run.records:
            for layer, counts in record["layers"].items():
                share = counts["remaining"] / counts["weights"]
                found[layer][record["row"]["round"]].append(share)
    return {
        layer: {number: sum(shares) / len(shares) for number, shares in sorted(rounds.items())}
        for layer, rounds in found.items()
    }


def with_own_masks(settings: Sequence[Setting]) -> list[Setting]:
    """The settings whose layers are not pruned as their trunk's; all where there is no other."""
    return [s for s in settings if not _as_its_trunk(s.config)] or list(settings)


def layers_figure(settings: Sequence[Setting]) -> Figure:
    """Figure 3: sparsity of each layer by round, a panel per setting, of the first six."""
    others = with_own_masks(settings)
    shown = others[:MAX_PANELS]
    more = " Copied masks are pruned as their trunk's." if len(others) < len(settings) else ""
    if len(others) > len(shown):
        more += f" {len(others) - len(shown)} more settings are left out."
    return Figure(
        "3_layers",
        "3. Layer-wise sparsity by round",
        f"Share of each layer's weights that is pruned, mean over the seeds.{more}",
        tuple(_panel(setting, "" if len(settings) == 1 else setting.label) for setting in shown),
    )


def _as_its_trunk(config: Mapping[str, Any]) -> bool:
    return copies(config) and config.get("criterion.shuffle") != "global"


def _panel(setting: Setting, title: str) -> Panel:
    lines = [
        _line(layer, shares, style(number))
        for number, (layer, shares) in enumerate(remaining_by_layer(setting).items())
    ]
    total = setting.means("remaining")
    lines.append(_line("all prunable weights", total, Style(GREY, "dash", None)))
    numbers = sorted(total)
    every = max(1, -(-len(numbers) // 10))
    ticks = tuple((float(number), str(number)) for number in numbers[::every])
    return Panel(title, Axis("round", ticks=ticks), Axis("sparsity (%)"), tuple(lines))


def _line(label: str, shares: Mapping[int, float], look: Style) -> Line:
    sparsity = tuple(100 * (1 - share) for share in shares.values())
    return Line(label, tuple(float(number) for number in shares), sparsity, look)

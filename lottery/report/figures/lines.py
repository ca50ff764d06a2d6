"""The lines of figures: one column of results.csv or timing.csv against another; forests."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle

from lottery.record.score import Score
from lottery.report.figures.figure import MARKERS, Line, Style, line_of_means, style
from lottery.report.read.forests import RunForests
from lottery.report.read.labels import label_of_value
from lottery.report.read.roles import is_one_shot
from lottery.report.read.settings import Setting
from lottery.report.read.statistics import Summary

SHARES = ("remaining", "f1")  # columns that figures show in percent
SCORES = ("val", "test")
OTHER_STYLES = tuple(Style("#000000", "solid", marker) for marker in reversed(MARKERS))


def names_of_scores(settings: Sequence[Setting]) -> str:
    """Name what the settings measure, as "accuracy" or "accuracy and RMSE"."""
    return " and ".join(dict.fromkeys(setting.score.metric for setting in settings))


def factor_of(column: str, score: Score) -> float:
    """Return 100 for a share, else 1; the columns in SCORES are shown as the score is."""
    return score.shown(1) if column in SCORES else 100 if column in SHARES else 1


def line_of_values(
    setting: Setting, *, x: str, values: Mapping[int, Summary], look: Style, factor: float = 1
) -> Line:
    """Return the line of some values by round over column `x`, with the setting's label."""
    at = setting.means(x)
    scale = factor_of(x, setting.score)
    points = [(scale * at[number], values[number]) for number in values if number in at]
    line = line_of_means(setting.label, points, look, factor)
    # One-shot pruning has no rounds between the dense network and its end.
    joined = not is_one_shot(setting.config)
    return replace(line, joined=joined, settings=(setting.label,))


def line_of_column(setting: Setting, *, x: str, y: str, look: Style) -> Line:
    """Return the line of column `y` over column `x`, by round."""
    values, factor = setting.summaries(y), factor_of(y, setting.score)
    return line_of_values(setting, x=x, values=values, look=look, factor=factor)


def lines_of_settings(
    settings: Sequence[Setting], *, x: str, y: str, score: Score | None = None
) -> tuple[Line, ...]:
    """Return one line per setting that has the column, or per such setting with a score.

    One-shot settings that differ only in density share a line. A setting has the same look in all
    panels of a figure.
    """
    groups: dict[str, list[Setting]] = {}
    looks: dict[str, Style] = {}
    for number, setting in enumerate(settings):
        config = {k: v for k, v in setting.config.items() if k != "pruning.one_shot"}
        key = json.dumps(config, sort_keys=True) if is_one_shot(setting.config) else setting.label
        groups.setdefault(key, []).append(setting)
        looks.setdefault(key, style(number))
    lines = (
        _line_of_group(group, x=x, y=y, look=looks[key])
        if len(group) > 1
        else line_of_column(group[0], x=x, y=y, look=looks[key])
        for key, group in groups.items()
        if score in (None, group[0].score)
    )
    return tuple(line for line in lines if line.x)


def _line_of_group(group: Sequence[Setting], *, x: str, y: str, look: Style) -> Line:
    """Return the line through the pruned networks of one-shot settings, from the densest on."""
    points = [
        (factor_of(x, setting.score) * setting.means(x)[number], summary)
        for setting in group
        for number, summary in setting.summaries(y).items()
        if number > 0 and number in setting.means(x)
    ]
    points.sort(key=lambda point: point[0], reverse=True)
    density = label_of_value("pruning.one_shot", group[0].config["pruning.one_shot"])
    label = ", ".join(words for words in group[0].label.split(", ") if words != density)
    line = line_of_means(label, points, look, factor_of(y, group[0].score))
    return replace(line, settings=tuple(setting.label for setting in group))


def forest_lines(forests: RunForests) -> list[Line]:
    """Return test accuracy against FLOPs: per layer from dense to pruned features, then others."""
    points: dict[str, dict[float, float]] = {}
    for entry in forests.forests:
        for measured in filter(None, (entry["dense"], entry["pruned"])):
            of_layer = points.setdefault(f"forest on {entry['layer']}", {})
            of_layer[float(measured["flops"])] = 100 * measured["test"]
    lines = [
        _forest_line(label, of_layer, replace(style(number), dash="dot"))
        for number, (label, of_layer) in enumerate(points.items(), start=1)
    ]
    others = [entry for entry in forests.compared if entry["flops"] is not None]
    return lines + [
        _forest_line(entry["name"], {float(entry["flops"]): 100 * entry["test"]}, look)
        for entry, look in zip(others, cycle(OTHER_STYLES), strict=False)
    ]


def _forest_line(label: str, points: Mapping[float, float], look: Style) -> Line:
    flops = tuple(sorted(points, reverse=True))
    return Line(label, x=flops, y=tuple(points[x] for x in flops), style=look)

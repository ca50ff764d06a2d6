"""The lines that most figures draw: a column of results.csv or timing.csv against another one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lottery.report.figures.figure import Line, Style, line_of_means, style
from lottery.report.read.labels import label_of_value
from lottery.report.read.roles import is_one_shot
from lottery.report.read.settings import Setting
from lottery.report.read.statistics import Summary

SHARES = ("remaining", "test", "f1")  # columns that figures show in percent


def factor_of(column: str) -> int:
    """Return 100 for a column that figures show in percent, else 1."""
    return 100 if column in SHARES else 1


def line_of_values(
    setting: Setting, x: str, values: Mapping[int, Summary], look: Style, *, factor: float = 1
) -> Line:
    """Return the line of some values by round over column `x`, with the setting's label."""
    at = {number: factor_of(x) * value for number, value in setting.means(x).items()}
    line = line_of_means(setting.label, at, values, look, factor=factor)
    # One-shot pruning has no rounds between the dense network and its end.
    return replace(line, joined=not is_one_shot(setting.config))


def line_of_column(setting: Setting, x: str, y: str, look: Style) -> Line:
    """Return the line of column `y` over column `x`, by round."""
    return line_of_values(setting, x, setting.summaries(y), look, factor=factor_of(y))


def lines_of_settings(settings: Sequence[Setting], x: str, y: str) -> tuple[Line, ...]:
    """Return one line per setting; one-shot settings that differ only in density share a line."""
    groups: dict[str, list[Setting]] = {}
    looks: dict[str, Style] = {}
    for number, setting in enumerate(settings):
        config = {k: v for k, v in setting.config.items() if k != "pruning.one_shot"}
        key = json.dumps(config, sort_keys=True) if is_one_shot(setting.config) else setting.label
        groups.setdefault(key, []).append(setting)
        looks.setdefault(key, style(number))
    return tuple(
        _line_of_group(group, x, y, looks[key])
        if len(group) > 1
        else line_of_column(group[0], x, y, looks[key])
        for key, group in groups.items()
    )


def _line_of_group(group: Sequence[Setting], x: str, y: str, look: Style) -> Line:
    """Return the line through the pruned networks of one-shot settings, from the densest on."""
    points = [
        (factor_of(x) * setting.means(x)[number], summary)
        for setting in group
        for number, summary in setting.summaries(y).items()
        if number > 0 and number in setting.means(x)
    ]
    ordered = dict(enumerate(sorted(points, key=lambda point: point[0], reverse=True)))
    density = label_of_value("pruning.one_shot", group[0].config["pruning.one_shot"])
    return line_of_means(
        label=", ".join(words for words in group[0].label.split(", ") if words != density),
        x={number: at for number, (at, _) in ordered.items()},
        y={number: summary for number, (_, summary) in ordered.items()},
        look=look,
        factor=factor_of(y),
    )

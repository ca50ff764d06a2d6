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
    """Return the line of values by round, with the setting's label.

    Args:
        setting: the setting that the rounds belong to.
        x: the column on the x axis.
        values: by round.
        look: of the line.
        factor: what to multiply the values with.
    """
    at = {number: factor_of(x) * value for number, value in setting.means(x).items()}
    line = line_of_means(setting.label, at, values, look, factor=factor)
    # One-shot pruning has no rounds between the dense network and its end.
    return replace(line, joined=not is_one_shot(setting.config))


def line_of_column(setting: Setting, x: str, y: str, look: Style) -> Line:
    """Return the line of column `y` over column `x`, by round."""
    return line_of_values(setting, x, setting.summaries(y), look, factor=factor_of(y))


def lines_of_settings(settings: Sequence[Setting], x: str, y: str) -> tuple[Line, ...]:
    """Return one line per setting; one-shot settings that differ only in density share a line.

    Args:
        settings: in the order of their styles.
        x: the column on the x axis.
        y: the column on the y axis.
    """
    numbers = {setting.label: number for number, setting in enumerate(settings)}
    lines = []
    for group in _groups(settings):
        look = style(numbers[group[0].label])
        if len(group) == 1:
            lines.append(line_of_column(group[0], x, y, look))
        else:
            drawn = [_line_of_one_shot(setting, x, y, look) for setting in group]
            lines.append(_joined(drawn, _common_label(group[0])))
    return tuple(lines)


def _groups(settings: Sequence[Setting]) -> list[list[Setting]]:
    """Group the one-shot settings that differ only in density; every other setting is alone."""
    found: dict[str, list[Setting]] = {}
    for setting in settings:
        config = {k: v for k, v in setting.config.items() if k != "pruning.one_shot"}
        key = json.dumps(config, sort_keys=True) if is_one_shot(setting.config) else setting.label
        found.setdefault(key, []).append(setting)
    return list(found.values())


def _line_of_one_shot(setting: Setting, x: str, y: str, look: Style) -> Line:
    pruned = {number: value for number, value in setting.summaries(y).items() if number > 0}
    return line_of_values(setting, x, pruned, look, factor=factor_of(y))


def _common_label(setting: Setting) -> str:
    density = label_of_value("pruning.one_shot", setting.config["pruning.one_shot"])
    return ", ".join(words for words in setting.label.split(", ") if words != density)


def _joined(lines: Sequence[Line], label: str) -> Line:
    """Return one line through the points of several, from the densest to the sparsest."""
    points = sorted(
        (
            point
            for line in lines
            for point in zip(line.x, line.y, line.low or line.y, line.high or line.y, strict=True)
        ),
        reverse=True,
    )
    x, y, low, high = (tuple(point[index] for point in points) for index in range(4))
    if not any(line.low for line in lines):
        low = high = ()
    return Line(label, x=x, y=y, style=lines[0].style, low=low, high=high)

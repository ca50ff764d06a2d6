"""The lines that most figures draw: what a setting's rounds measured, against what is left."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lottery.report.figure import Line, Style, line_of_means, style
from lottery.report.roles import is_one_shot
from lottery.report.settings import Setting, show_part
from lottery.report.statistics import Summary


def against(
    setting: Setting,
    column: str,
    values: Mapping[int, Summary],
    look: Style,
    *,
    label: str | None = None,
    scale: float = 1,
    interval: bool,
) -> Line:
    """Values by round over the means of a column.

    Args:
        setting: whose rounds they are.
        column: of results.csv, on the x axis; `remaining` in percent.
        values: by round.
        look: of the line.
        label: of the line; the setting's own where None.
        scale: 100 for percent.
        interval: whether the band is the confidence interval instead of lowest to highest.
    """
    percent = 100 if column == "remaining" else 1
    x = {number: percent * value for number, value in setting.means(column).items()}
    name = setting.label if label is None else label
    line = line_of_means(name, x, values, look, scale=scale, interval=interval)
    # Between the dense network and one pruning there is nothing.
    return replace(line, joined=not is_one_shot(setting.config))


def lines_against(
    settings: Sequence[Setting], column: str, measure: str, *, scale: float = 1, interval: bool
) -> tuple[Line, ...]:
    """A line per setting; one for all one-shots that differ only in how much they prune.

    Args:
        settings: in the order of their styles.
        column: on the x axis, as of `against`.
        measure: a column of results.csv or timing.csv, on the y axis.
        scale: 100 for percent.
        interval: as of `against`.
    """
    places = {setting.label: number for number, setting in enumerate(settings)}
    lines = []
    for series in _series(settings):
        drawn = [
            against(
                setting,
                column,
                _pruned(setting, measure) if len(series) > 1 else setting.summaries(measure),
                style(places[series[0].label]),
                scale=scale,
                interval=interval,
            )
            for setting in series
        ]
        lines.append(drawn[0] if len(series) == 1 else _as_one(drawn, _common_label(series[0])))
    return tuple(lines)


def _series(settings: Sequence[Setting]) -> list[list[Setting]]:
    """The settings one by one, but one-shots that differ only in how much they prune together."""
    found: dict[str, list[Setting]] = {}
    for setting in settings:
        config = {k: v for k, v in setting.config.items() if k != "pruning.one_shot"}
        key = json.dumps(config, sort_keys=True) if is_one_shot(setting.config) else setting.label
        found.setdefault(key, []).append(setting)
    return list(found.values())


def _pruned(setting: Setting, measure: str) -> dict[int, Summary]:
    return {number: value for number, value in setting.summaries(measure).items() if number > 0}


def _common_label(setting: Setting) -> str:
    own = show_part("pruning.one_shot", setting.config["pruning.one_shot"])
    return ", ".join(part for part in setting.label.split(", ") if part != own)


def _as_one(lines: Sequence[Line], label: str) -> Line:
    """The points of some lines, joined from the densest to the sparsest."""
    points = sorted(
        (
            point
            for line in lines
            for point in zip(line.x, line.y, line.low or line.y, line.high or line.y, strict=True)
        ),
        reverse=True,
    )
    x, y, low, high = (tuple(point[place] for point in points) for place in range(4))
    banded = any(line.low for line in lines)
    ends = (low, high) if banded else ((), ())
    return Line(label, x, y, lines[0].style, *ends)

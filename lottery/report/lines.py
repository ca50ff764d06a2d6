"""The lines that most figures draw: what a setting's rounds measured, against what is left."""

from collections.abc import Mapping
from dataclasses import replace

from lottery.report.plot import Line, Style, line_of_means
from lottery.report.roles import is_one_shot
from lottery.report.settings import Setting
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

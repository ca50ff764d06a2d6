"""The line that most figures draw: a setting's measure against the weights that remain."""

from collections.abc import Mapping

from lottery.report.plot import Line, Style, line_of_means
from lottery.report.settings import Setting
from lottery.report.statistics import Summary


def against_remaining(
    setting: Setting,
    values: Mapping[int, Summary],
    look: Style,
    *,
    label: str | None = None,
    scale: float = 1,
    interval: bool,
) -> Line:
    """Values by round, over the share of weights that remain in a setting's rounds, in percent.

    Args:
        setting: whose rounds they are.
        values: by round.
        look: of the line.
        label: of the line; the setting's own where None.
        scale: 100 for percent.
        interval: whether the band is the confidence interval instead of lowest to highest.
    """
    remaining = {number: 100 * share for number, share in setting.means("remaining").items()}
    name = setting.label if label is None else label
    return line_of_means(name, remaining, values, look, scale=scale, interval=interval)

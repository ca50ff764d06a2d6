"""Compare settings with a chosen one, whatever they are: at equal sparsity, paired by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lottery.errors import ConfigError
from lottery.report.read.controls import gains_of
from lottery.report.read.gains import Gains
from lottery.report.read.settings import Setting

EQUAL = 0.01  # relative difference of two shares of weights that count as equal


@dataclass(frozen=True)
class Pair:
    """A setting and the chosen one.

    Attributes:
        setting: whose gains these are.
        other: the chosen one.
        rounds: the round of the other by the setting's, where both have equal sparsity.
        gains: in these rounds; None if the two share no seed or no sparsity.
    """

    setting: Setting
    other: Setting
    rounds: dict[int, int]
    gains: Gains | None


def compare_against(
    settings: Sequence[Setting], chosen: Sequence[Mapping[str, Any]]
) -> list[Pair]:
    """Compare all settings of one score with those that have the chosen configs.

    Raises:
        ConfigError: there is no setting besides the chosen ones.
    """
    others = [setting for setting in settings if setting.config in chosen]
    rest = [setting for setting in settings if setting not in others]
    if others and not rest:
        raise ConfigError("--against: there is no other setting to compare with it; name one")
    return [
        _pair(setting, other)
        for other in others
        for setting in rest
        if setting.score == other.score
    ]


def _pair(setting: Setting, other: Setting) -> Pair:
    """Pair each pruned round with the one of the other setting that is nearest in sparsity."""
    mine, theirs = (one.means("remaining") for one in (setting, other))
    rounds: dict[int, int] = {}
    for number, left in mine.items():
        near = min((n for n in theirs if n), key=lambda n: abs(theirs[n] - left), default=0)
        if number and near and abs(theirs[near] - left) <= EQUAL * left:
            rounds[number] = near
    test = other.values("test")
    return Pair(setting, other, rounds, gains_of(setting, {n: test[m] for n, m in rounds.items()}))

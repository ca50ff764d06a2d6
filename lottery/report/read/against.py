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
        ConfigError: there is no setting besides the chosen ones, or none of their scores.
    """
    others = [setting for setting in settings if setting.config in chosen]
    rest = [setting for setting in settings if setting not in others]
    if others and not rest:
        raise ConfigError("--against: there is no other setting to compare with it; name one")
    pairs = [
        _pair(setting, other)
        for other in others
        for setting in rest
        if setting.score == other.score
    ]
    if others and not pairs:
        raise ConfigError(f"--against: no other setting has its score, {others[0].score.metric}")
    return pairs


def _pair(setting: Setting, other: Setting) -> Pair:
    """Pair each pruned round with the one of the other setting that is nearest in sparsity.

    Of these rounds a seed counts if its own two networks have equal sparsity.
    """
    mine, theirs = (one.means("remaining") for one in (setting, other))
    rounds: dict[int, int] = {}
    for number, left in mine.items():
        near = min((n for n in theirs if n), key=lambda n: abs(theirs[n] - left), default=0)
        if number and near and _is_equal(theirs[near], left):
            rounds[number] = near
    test, own, others = (
        other.values("test"),
        setting.values("remaining"),
        other.values("remaining"),
    )
    reference = {
        number: {
            seed: value
            for seed, value in test[near].items()
            if seed in own[number] and _is_equal(others[near][seed], own[number][seed])
        }
        for number, near in rounds.items()
    }
    return Pair(setting, other, rounds, gains_of(setting, reference))


def _is_equal(share: float, left: float) -> bool:
    return abs(share - left) <= EQUAL * left

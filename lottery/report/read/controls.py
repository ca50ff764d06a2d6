"""Compare a ticket with its controls and its dense network, at equal sparsity, by seed."""

from collections.abc import Sequence
from dataclasses import dataclass

from lottery.record.score import Score
from lottery.report.read.roles import is_control, trunk_of
from lottery.report.read.settings import Setting
from lottery.report.read.statistics import Summary, summarise

EQUAL_SHARES = 1e-9  # largest difference of two shares of weights that count as equal


@dataclass(frozen=True)
class Comparison:
    """By how much a ticket is better than another network: gains in the test score at ES.

    Gains of shares are in points, others in the score's own unit; positive is better.
    """

    ticket: Setting
    control: Setting
    gains: dict[int, dict[int, float]]  # round -> seed -> gain

    @property
    def summaries(self) -> dict[int, Summary]:
        """The gains by round; their band is always the confidence interval."""
        return {
            number: summarise(list(seeds.values()), band_is_interval=True)
            for number, seeds in self.gains.items()
        }

    @property
    def judged_rounds(self) -> list[int]:
        """Of the rounds that both have: the best by validation, and the last."""
        best = self.ticket.winning_round(among=self.gains)
        return [] if best is None else list(dict.fromkeys((best, max(self.gains))))


def compare_with_controls(settings: Sequence[Setting]) -> list[Comparison]:
    """Compare every ticket with each of its controls, if they share a pruned round and a seed."""
    return [
        pair
        for ticket in settings
        for control in settings
        if is_control(control.config, ticket.config, ticket.name)
        and control.score == ticket.score
        and (pair := _compare(ticket, control)).gains
    ]


def _compare(ticket: Setting, control: Setting) -> Comparison:
    test, remaining = ticket.values("test"), ticket.values("remaining")
    control_test = _by_trunk_seed(control, "test")
    control_remaining = _by_trunk_seed(control, "remaining")
    gains: dict[int, dict[int, float]] = {}
    for number in sorted(test.keys() & control_test.keys() - {0}):
        found = {
            seed: _gain(ticket.score, test[number][seed], control_test[number][seed])
            for seed in sorted(test[number].keys() & control_test[number].keys())
            if abs(remaining[number][seed] - control_remaining[number][seed]) < EQUAL_SHARES
        }
        if found:
            gains[number] = found
    return Comparison(ticket, control, gains)


def _gain(score: Score, value: float, reference: float) -> float:
    return score.shown(score.gain(value, reference))


def _by_trunk_seed(control: Setting, column: str) -> dict[int, dict[int, float]]:
    """Return a control's column by the seed of its ticket; its controls count as their mean."""
    fixed = trunk_of(control.config)[1]
    if fixed is None:
        return control.values(column)
    columns = control.values(column)
    return {number: {fixed: sum(s.values()) / len(s)} for number, s in columns.items()}


def against_dense(setting: Setting) -> Comparison:
    """Compare a setting's pruned networks with its own dense ones."""
    test = setting.values("test")
    dense = test.pop(0, {})
    gains = {
        number: {
            seed: _gain(setting.score, seeds[seed], dense[seed]) for seed in seeds if seed in dense
        }
        for number, seeds in test.items()
    }
    return Comparison(setting, setting, {n: seeds for n, seeds in gains.items() if seeds})

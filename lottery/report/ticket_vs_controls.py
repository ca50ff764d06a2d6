"""The winning ticket against its controls, at equal sparsity, seed by seed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lottery.report.roles import is_control, trunk_of
from lottery.report.settings import Setting
from lottery.report.statistics import Summary, summarise
from lottery.report.verdicts import best_round

SAME = 1e-9  # share of weights


@dataclass(frozen=True)
class Comparison:
    """A ticket less another network: differences of test accuracy at ES, in points."""

    ticket: Setting
    control: Setting
    differences: dict[int, dict[int, float]]  # round -> seed -> points

    @property
    def summaries(self) -> dict[int, Summary]:
        """The differences in short, by round."""
        rounds = self.differences.items()
        return {number: summarise(list(seeds.values())) for number, seeds in rounds}

    @property
    def judged_rounds(self) -> list[int]:
        """The best round by validation of those both have, and the last of them."""
        val = self.ticket.means("val")
        known = {number: val[number] for number in self.differences}
        best = best_round(known, self.ticket.means("remaining"))
        return [] if best is None else list(dict.fromkeys((best, max(known))))


def compare_with_controls(settings: Sequence[Setting]) -> list[Comparison]:
    """Every ticket with every control of it that shares a pruned round and a seed."""
    pairs = [
        _compare(ticket, control)
        for ticket in settings
        for control in settings
        if is_control(control.config, ticket.config, ticket.name)
    ]
    return [pair for pair in pairs if pair.differences]


def _compare(ticket: Setting, control: Setting) -> Comparison:
    test, remaining = ticket.values("test"), ticket.values("remaining")
    theirs = _by_trunk_seed(control, "test")
    their_remaining = _by_trunk_seed(control, "remaining")
    differences: dict[int, dict[int, float]] = {}
    for number in sorted(test.keys() & theirs.keys() - {0}):
        found = {
            seed: 100 * (test[number][seed] - theirs[number][seed])
            for seed in sorted(test[number].keys() & theirs[number].keys())
            if abs(remaining[number][seed] - their_remaining[number][seed]) < SAME
        }
        if found:
            differences[number] = found
    return Comparison(ticket, control, differences)


def _by_trunk_seed(control: Setting, column: str) -> dict[int, dict[int, float]]:
    """A control's column by the seed of the ticket it belongs to.

    Several controls of one ticket count as one, their mean: they say nothing about other tickets.
    """
    fixed = trunk_of(control.config)[1]
    if fixed is None:
        return control.values(column)
    found: dict[int, dict[int, float]] = defaultdict(dict)
    for number, seeds in control.values(column).items():
        found[number][fixed] = sum(seeds.values()) / len(seeds)
    return found


def against_dense(setting: Setting) -> Comparison:
    """A setting's pruned networks less its own dense ones."""
    test = setting.values("test")
    dense = test.get(0, {})
    differences = {
        number: {seed: 100 * (seeds[seed] - dense[seed]) for seed in seeds if seed in dense}
        for number, seeds in test.items()
        if number >= 1
    }
    kept = {number: seeds for number, seeds in differences.items() if seeds}
    return Comparison(setting, setting, kept)

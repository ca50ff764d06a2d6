"""Compare a ticket with its controls and its dense network, at equal sparsity, by seed."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lottery.record.score import Score
from lottery.report.read.gains import Gains
from lottery.report.read.pairing import Values, complete, pick_rounds
from lottery.report.read.roles import has_dynamic, is_control, same_but_draw, trunk_of
from lottery.report.read.settings import Setting
from lottery.report.read.speed import pooled_ratios
from lottery.report.read.statistics import Summary

EQUAL_SHARES = 1e-9  # largest difference of two shares of weights that count as equal
DRAW = re.compile(r", reinit\.draw=\d+|reinit\.draw=\d+, ")


@dataclass(frozen=True)
class Comparison:
    """A ticket and one of its controls; draws of a control are one control."""

    ticket: Setting
    draws: tuple[Setting, ...]  # of the control
    gains: Gains
    es_ratio: Summary | None  # logarithms of the ticket's ES by the control's; None: not known

    @property
    def role(self) -> str:
        """What the control is."""
        return self.draws[0].role

    @property
    def control(self) -> str:
        """The control's label, with the number of its draws."""
        label = self.draws[0].label
        if len(self.draws) == 1:
            return label
        return f"{DRAW.sub('', label)}, {len(self.draws)} draws"


def compare_with_controls(settings: Sequence[Setting]) -> list[Comparison]:
    """Compare every ticket with each of its controls, if they share a pruned round and a seed."""
    found = []
    for ticket in settings:
        pooled: list[list[Setting]] = []
        for control in settings:
            if control.score != ticket.score:
                continue
            if is_control(control.config, ticket.config, ticket.name):
                known = (d for d in pooled if same_but_draw(d[0].config, control.config))
                draws = next(known, None)
                if draws is None:
                    pooled.append(draws := [])
                draws.append(control)
        found += [pair for draws in pooled if (pair := _compare(ticket, draws))]
    return found


def _compare(ticket: Setting, draws: Sequence[Setting]) -> Comparison | None:
    remaining = ticket.values("remaining")
    test = _at_equal_sparsity(remaining, draws, "test")
    gains = gains_of(ticket, test)
    if gains is None:
        return None
    es = _at_equal_sparsity(remaining, draws, "ES")
    ratio = None
    if not has_dynamic(ticket.config):
        ratio = pooled_ratios(ticket.values("ES"), es, gains.picks, ticket.evaluation_grid)
    return Comparison(ticket, tuple(draws), gains, ratio)


def _at_equal_sparsity(remaining: Values, draws: Sequence[Setting], column: str) -> Values:
    """Return a control's column by round and seed, where its sparsity is the ticket's."""
    found: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for draw in draws:
        values, left = _by_trunk_seed(draw, column), _by_trunk_seed(draw, "remaining")
        for number, seeds in values.items():
            for seed, value in seeds.items():
                there = remaining.get(number, {}).get(seed)
                if number and there is not None and _is_equal(there, left[number][seed]):
                    found[number][seed].append(value)
    return {
        number: {seed: sum(of_draws) / len(of_draws) for seed, of_draws in seeds.items()}
        for number, seeds in found.items()
    }


def _is_equal(share: float, other: float) -> bool:
    return abs(share - other) < EQUAL_SHARES


def _by_trunk_seed(control: Setting, column: str) -> Values:
    """Return a control's column by the seed of its ticket; its controls count as their mean."""
    fixed = trunk_of(control.config)[1]
    if fixed is None:
        return control.values(column)
    columns = control.values(column)
    return {number: {fixed: sum(s.values()) / len(s)} for number, s in columns.items()}


def against_dense(setting: Setting) -> Gains | None:
    """Return the gains of a setting's pruned networks over its own dense ones; None if none."""
    test = setting.values("test")
    dense = test.get(0, {})
    return gains_of(setting, {number: dense for number in test if number})


def speed_against_dense(setting: Setting, picks: Mapping[int, int]) -> Summary | None:
    """Summarise ln(ES of the best pruned rounds / ES of the dense network) over the seeds.

    None where ES is looked for in a part of the pruned rounds only.
    """
    if has_dynamic(setting.config):
        return None
    es = setting.values("ES")
    dense = {number: es.get(0, {}) for number in es}
    return pooled_ratios(es, dense, picks, setting.evaluation_grid)


def gains_of(setting: Setting, reference: Values) -> Gains | None:
    """Return the gains over reference values of the same rounds; None if no seed has both."""
    test, score = setting.values("test"), setting.score
    gains = complete(
        {
            number: {
                seed: _gain(score, test[number][seed], found[seed])
                for seed in found.keys() & test.get(number, {}).keys()
            }
            for number, found in reference.items()
        }
    )
    val, remaining = (
        {number: {seed: values[number][seed] for seed in seeds} for number, seeds in gains.items()}
        for values in (setting.choosing, setting.values("remaining"))
    )
    picks = pick_rounds(val, remaining, score) if gains else {}
    return Gains(gains, picks, setting.test_example) if picks else None


def _gain(score: Score, value: float, reference: float) -> float:
    return score.shown(score.gain(value, reference))

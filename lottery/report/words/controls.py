"""The verdicts of tickets against their controls, corrected for their number; their sentences."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lottery.report.read.controls import Comparison
from lottery.report.read.gains import Judged
from lottery.report.read.roles import is_ticket
from lottery.report.read.settings import Setting
from lottery.report.words.rounds import judged_text
from lottery.report.words.scores import describe_gain, describe_ratio
from lottery.report.words.verdicts import (
    BEHIND,
    MATCHES,
    TOO_FEW,
    UNDECIDED,
    judge,
    judge_speed,
    with_correction,
)


@dataclass(frozen=True)
class JudgedControl:
    """A ticket against one of its controls, with verdicts."""

    comparison: Comparison
    verdicts: tuple[str, ...]  # of the judged rounds, in their order
    speed: str | None  # None: the ES are not known

    @property
    def judged(self) -> list[tuple[Judged, str]]:
        """The judged rounds with their verdicts."""
        return list(zip(self.comparison.gains.judged, self.verdicts, strict=True))


def judge_controls(comparisons: Sequence[Comparison]) -> list[JudgedControl]:
    """Judge every control; Holm's correction is over all controls and rounds of one ticket."""
    of_ticket: dict[str, list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        of_ticket[comparison.ticket.label].append(comparison)
    return [judged for group in of_ticket.values() for judged in _judge_group(group)]


def controls_of(setting: Setting, controls: Sequence[JudgedControl]) -> list[JudgedControl]:
    """Return those controls that are a setting's."""
    return [one for one in controls if one.comparison.ticket.label == setting.label]


def _judge_group(group: Sequence[Comparison]) -> list[JudgedControl]:
    margin = group[0].ticket.margin
    gains = [judged.summary for pair in group for judged in pair.gains.judged]
    verdicts = iter(with_correction([judge(gain, margin) for gain in gains], gains))
    ratios = [pair.es_ratio for pair in group if pair.es_ratio]
    speeds = iter(with_correction([judge_speed(ratio) for ratio in ratios], ratios))
    return [
        JudgedControl(
            pair,
            tuple(next(verdicts) for _ in pair.gains.judged),
            next(speeds) if pair.es_ratio else None,
        )
        for pair in group
    ]


def control_sentence(control: JudgedControl) -> str:
    """Write what is known of a ticket and one control, in the judged rounds and on its speed."""
    pair = control.comparison
    subject = "the ticket" if is_ticket(pair.ticket.config) else pair.ticket.role
    rounds = []
    for judged, verdict in control.judged:
        gain = describe_gain(pair.ticket.score, judged.summary)
        rounds.append(f"in {judged_text(pair.ticket, judged)} {gain}, {_words(verdict, subject)}")
    return f"Compared with {pair.control}: {'; '.join(rounds)}.{_speed_words(control)}"


def _words(verdict: str, subject: str) -> str:
    if verdict in (TOO_FEW, UNDECIDED):
        return verdict
    if verdict == MATCHES:
        return f"{subject} matches it, but is not shown to beat it"
    return f"{subject} {verdict}{'' if verdict == BEHIND else ' it'}"


def _speed_words(control: JudgedControl) -> str:
    ratio = control.comparison.es_ratio
    if ratio is None or control.speed is None:
        return ""
    words = control.speed if control.speed in (TOO_FEW, UNDECIDED) else f"it {control.speed}"
    whose = "the control's"
    return f" Its ES is {describe_ratio(ratio, whose)}: {words}."

"""Settings against a chosen one, in words: verdicts, answers and tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from lottery.report.read.against import EQUAL, Pair
from lottery.report.read.gains import Gains, Judged
from lottery.report.words.rounds import judged_text
from lottery.report.words.scores import describe_gain, format_gain, format_interval, gain_column
from lottery.report.words.summary_text import Answer
from lottery.report.words.table import NONE, Table, format_percent
from lottery.report.words.verdicts import BEHIND, TOO_FEW, UNDECIDED, judge, with_correction

AGAINST_RULE = (
    f"Settings are compared with the one that --against names in rounds whose shares of weights "
    f"differ by at most {100 * EQUAL:g} % of themselves, paired by seed: in the setting's best "
    "rounds and in its last one. Holm's correction is over all of these comparisons."
)


@dataclass(frozen=True)
class _JudgedPair:
    """A pair with the verdicts of its judged rounds."""

    pair: Pair
    gains: Gains
    judged: tuple[tuple[Judged, str], ...]


def against_answers(pairs: Sequence[Pair]) -> list[Answer]:
    """Write an answer for each chosen setting: a sentence for each one compared with it."""
    judged = {id(one.pair): one for one in _judge(pairs)}
    answers = []
    for label, group in _by_other(pairs).items():
        sentences = [
            _sentence(judged[id(pair)])
            if pair.gains
            else f"{pair.setting.label}: shares no seed or no sparsity with it."
            for pair in group
        ]
        answers.append(Answer(f"Compared with {label}", tuple(sentences)))
    return answers


def against_tables(pairs: Sequence[Pair]) -> list[Table]:
    """Make a table for each chosen setting, one row per setting and round.

    Only the judged rounds have a verdict: the best one, if it is the same for all seeds, and the
    last.
    """
    judged = _judge(pairs)
    return [
        Table(
            f"Compared with {label}",
            tuple(row for one in judged if one.pair in group for row in _rows(one)),
        )
        for label, group in _by_other(pairs).items()
    ]


def _judge(pairs: Sequence[Pair]) -> list[_JudgedPair]:
    known = [(pair, pair.gains) for pair in pairs if pair.gains]
    gains = [judged.summary for _, found in known for judged in found.judged]
    margins = [pair.setting.margin for pair, found in known for _ in found.judged]
    first = [judge(gain, margin) for gain, margin in zip(gains, margins, strict=True)]
    verdicts = iter(with_correction(first, gains))
    return [
        _JudgedPair(pair, found, tuple((judged, next(verdicts)) for judged in found.judged))
        for pair, found in known
    ]


def _by_other(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    labels = dict.fromkeys(pair.other.label for pair in pairs)
    return {label: [pair for pair in pairs if pair.other.label == label] for label in labels}


def _sentence(one: _JudgedPair) -> str:
    parts = []
    for judged, verdict in one.judged:
        gain = describe_gain(one.pair.setting.score, judged.summary)
        words = verdict if verdict in (BEHIND, TOO_FEW, UNDECIDED) else f"{verdict} it"
        parts.append(f"in {judged_text(one.pair.setting, judged)} {gain}, {words}")
    return f"{one.pair.setting.label}: {'; '.join(parts)}."


def _rows(one: _JudgedPair) -> list[dict[str, str]]:
    pair, score = one.pair, one.pair.setting.score
    verdicts = {judged.round: verdict for judged, verdict in one.judged}
    left = pair.setting.means("remaining")
    return [
        {
            "setting": pair.setting.label,
            "round": str(number),
            "the other's": str(pair.rounds[number]),
            "remaining %": format_percent(left[number]),
            "seeds": str(gain.count),
            gain_column(score, "", "the other"): format_gain(score, gain.mean),
            "95 % interval": format_interval(score, gain),
            "by seed": " ".join(format_gain(score, v) for v in one.gains.values[number].values()),
            "verdict": verdicts.get(number, NONE),
        }
        for number, gain in one.gains.summaries.items()
    ]

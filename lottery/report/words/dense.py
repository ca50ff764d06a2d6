"""What is said of a setting's pruned networks against its dense ones."""

import math
from collections.abc import Sequence

from lottery.report.read.controls import speed_against_dense
from lottery.report.read.gains import Gains
from lottery.report.read.labels import capital
from lottery.report.read.roles import RANDOM_REINIT, TICKET
from lottery.report.read.settings import Setting
from lottery.report.read.significance import power, seeds_for
from lottery.report.words.controls import JudgedControl
from lottery.report.words.rounds import enumerate_words, round_numbers
from lottery.report.words.scores import describe_gain, describe_ratio, format_margin, with_unit
from lottery.report.words.table import plural
from lottery.report.words.verdicts import (
    BEATS,
    BEHIND,
    MATCHES,
    TOO_FEW,
    UNDECIDED,
    behind_from,
    judge,
    judge_speed,
    matches_down_to,
)

GOOD_POWER = 0.9
ALMOST_SURE = 0.99
DENSE = "the dense network's"


def dense_sentences(setting: Setting, winner: int, gains: Gains | None) -> list[str]:
    """Write how the best pruned round compares with dense, where it ends, and how fast it is."""
    best = f"The best pruned round is {setting.round_text(winner)}."
    if not setting.has_validation:
        best = (
            "Without validation data nothing is chosen: the last round is judged, "
            f"{setting.round_text(winner)}."
        )
    if gains is None:
        test = setting.means("test")[winner]
        value = with_unit(setting.score, test)
        return [
            f"{best} Its test {setting.score.metric} is {value}; there is no dense network to "
            "compare it with."
        ]
    return [
        f"{best} {_best_sentence(setting, winner, gains)}",
        _range_sentence(setting, gains),
        _speed_sentence(setting, gains),
        _power_sentence(setting, gains),
    ]


def _best_sentence(setting: Setting, winner: int, gains: Gains) -> str:
    score, judged = setting.score, gains.best
    test, dense = setting.values("test"), setting.values("test")[0]
    seeds = gains.seeds
    pruned = math.fsum(test[number][seed] for seed, number in judged.rounds.items()) / len(seeds)
    level = math.fsum(dense[seed] for seed in seeds) / len(seeds)
    where = f"Its test {score.metric} is"
    if judged.round != winner:
        where = (
            "Each seed is judged in the round that is best by the other seeds' validation "
            f"({round_numbers(judged)}): there the test {score.metric} is"
        )
    return (
        f"{where} {with_unit(score, pruned)}, that of the dense network "
        f"{with_unit(score, level)}: {describe_gain(score, judged.summary)}. "
        f"{_verdict_sentence(setting, gains)}{_left_out_words(setting, gains)}"
    )


def _verdict_sentence(setting: Setting, gains: Gains) -> str:
    summary, margin = gains.best.summary, format_margin(setting.score, setting.margin)
    matches = f"It matches the dense network within {margin}"
    within = (
        "but is not shown to beat it" if summary.interval[1] >= 0 else "though it is behind it"
    )
    return {
        BEATS: "It beats the dense network, and so matches it.",
        MATCHES: f"{matches}, {within}.",
        BEHIND: "It is behind the dense network, and does not match it.",
        UNDECIDED: f"It is undecided whether it matches the dense network (within {margin}).",
        TOO_FEW: f"There are {TOO_FEW} whether it matches or beats the dense network.",
    }[judge(summary, setting.margin)]


def _left_out_words(setting: Setting, gains: Gains) -> str:
    left_out = sorted({run.seed for run in setting.runs if run.records} - set(gains.seeds))
    if not left_out:
        return ""
    have, are = ("lacks", "is") if len(left_out) == 1 else ("lack", "are")
    seeds = f"{'Seed' if len(left_out) == 1 else 'Seeds'} {enumerate_words([*map(str, left_out)])}"
    return f" {seeds} {have} some of the rounds and {are} left out of all comparisons."


def _range_sentence(setting: Setting, gains: Gains) -> str:
    if judge(gains.best.summary, setting.margin) == TOO_FEW:
        return ""
    matching = matches_down_to(gains.summaries, setting.margin)
    behind = behind_from(gains.summaries, setting.margin)
    first, last = min(gains.summaries), max(gains.summaries)
    if matching is not None:
        words = f"Every round down to {setting.round_text(matching)} matches the dense network. "
    elif behind == first:
        words = ""
    else:
        words = f"{capital(setting.round_text(first))} is not shown to match the dense network. "
    if behind is not None:
        return (
            f"{words}From {setting.round_text(behind)} on every round is behind the dense network."
        )
    more = "" if last in (matching, first) else "The last round is not shown to be behind it."
    return (words + more).rstrip()


def _speed_sentence(setting: Setting, gains: Gains) -> str:
    ratio = speed_against_dense(setting, gains.picks)
    if ratio is None:
        return ""
    verdict = {
        TOO_FEW: f"There are {TOO_FEW} which of the two learns faster.",
        UNDECIDED: "It is undecided which of the two learns faster.",
    }.get(found := judge_speed(ratio), f"It {found} than the dense network.")
    return (
        f"Its ES, pooled with that of the rounds before and after, is "
        f"{describe_ratio(ratio, DENSE)}. {verdict}"
    )


def _power_sentence(setting: Setting, gains: Gains) -> str:
    """Say what these seeds could see, if they vary as they do."""
    summary, margin = gains.best.summary, setting.margin
    if summary.count < 2 or summary.all_equal or not margin:
        return ""
    seen = power(margin, summary.sd, summary.count)
    probability = f"{seen:.2f}" if seen < ALMOST_SURE else f"over {ALMOST_SURE}"
    sentence = (
        f"With these {plural(summary.count, 'seed')} a true difference of "
        f"{format_margin(setting.score, margin)} would be seen with probability {probability}"
    )
    if seen >= GOOD_POWER:
        return f"{sentence}."
    needed = seeds_for(margin, summary.sd, GOOD_POWER)
    many = f"{needed} seeds" if needed else "more than a thousand seeds"
    return f"{sentence}; {many} are needed for {GOOD_POWER}."


def ticket_sentence(
    setting: Setting, gains: Gains | None, controls: Sequence[JudgedControl]
) -> str:
    """Say whether a ticket may be called a winning ticket, and if not, what is missing."""
    if setting.role != TICKET or gains is None:
        return ""
    if judge(gains.best.summary, setting.margin) == TOO_FEW:
        return ""
    if missing := _missing_of_ticket(setting, gains, controls):
        return f"It is not shown to be a winning ticket: {enumerate_words(missing)}."
    return "So it is a winning ticket: it matches the dense network and beats random reinit."


def is_winning_ticket(setting: Setting, gains: Gains, controls: Sequence[JudgedControl]) -> bool:
    """Return whether a setting is shown to be a winning ticket; `controls` are its own."""
    return setting.role == TICKET and not _missing_of_ticket(setting, gains, controls)


def _missing_of_ticket(
    setting: Setting, gains: Gains, controls: Sequence[JudgedControl]
) -> list[str]:
    verdict = judge(gains.best.summary, setting.margin)
    reinits = [c for c in controls if c.comparison.role.startswith(RANDOM_REINIT)]
    missing = []
    if verdict not in (BEATS, MATCHES):
        missing.append("it is not shown to match the dense network")
    if not reinits:
        missing.append("there is no random reinit to compare it with")
    elif any(control.verdicts[0] != BEATS for control in reinits):
        missing.append("it is not shown to beat random reinit")
    return missing

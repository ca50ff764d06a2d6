"""The head of a report: the answer in one sentence, and four numbers."""

from collections.abc import Sequence
from dataclasses import replace

from lottery.report.read.controls import against_dense, speed_against_dense
from lottery.report.read.gains import Gains
from lottery.report.read.labels import capital
from lottery.report.read.pairing import ENOUGH_SEEDS
from lottery.report.read.roles import copies, has_dynamic, is_ticket
from lottery.report.read.settings import Setting
from lottery.report.words.controls import JudgedControl, controls_of
from lottery.report.words.dense import is_winning_ticket
from lottery.report.words.headline_of_many import headline_of_many
from lottery.report.words.rounds import enumerate_words
from lottery.report.words.scores import (
    format_gain,
    format_interval,
    format_margin,
    format_ratio,
    format_ratios,
    with_unit,
)
from lottery.report.words.table import plural
from lottery.report.words.tile import Headline, Tile
from lottery.report.words.verdicts import (
    BEATS,
    BEHIND,
    MATCHES,
    TOO_FEW,
    UNDECIDED,
    judge,
    judge_speed,
    matches_down_to,
)

CANNOT_SAY = "cannot say"
MOST_SEEDS = 8  # that are named


def write_headline(settings: Sequence[Setting], controls: Sequence[JudgedControl]) -> Headline:
    """Write the head: of the only setting or the only ticket, else of all settings together."""
    tickets = [setting for setting in settings if is_ticket(setting.config)]
    only = settings if len(settings) == 1 else tickets
    if len(only) == 1:
        head = _of_one(only[0], controls_of(only[0], controls))
        which = f"{only[0].label}: " if len(settings) > 1 else ""
        return replace(head, sentence=capital(which + head.sentence))
    own = [setting for setting in settings if not copies(setting.config)] or list(settings)
    return headline_of_many(own, controls)


def _of_one(setting: Setting, controls: Sequence[JudgedControl]) -> Headline:
    winner, gains = setting.best_pruned_round(), against_dense(setting)
    if winner is None:
        test = setting.means("test").get(0)
        if test is None:
            return Headline("no round is finished yet.")
        value = f"{setting.score.metric} is {with_unit(setting.score, test)}"
        return Headline(f"only the dense network is trained yet: its test {value}.")
    if gains is None:
        value = with_unit(setting.score, setting.means("test")[winner])
        return Headline(
            f"{_where(setting, winner, None)} the network has a test {setting.score.metric} of "
            f"{value}; there is no dense network to compare it with."
        )
    sentence = _sentence(setting, winner, gains, controls)
    tiles = (_matching(setting, gains), _gain(setting, gains), _speed(setting, gains))
    return Headline(sentence, (*tiles, _seeds(setting, gains)))


def _where(setting: Setting, winner: int, gains: Gains | None) -> str:
    so_far = any(run.run_json["status"] != "finished" for run in setting.runs)
    if gains and gains.best.round != winner:
        rounds = sorted(gains.best.rounds.values())
        words = f"in the seeds' best pruned rounds ({rounds[0]} to {rounds[-1]})"
    else:
        words = f"with {100 * setting.means('remaining')[winner]:.1f} % of its weights"
    return f"so far, {words}" if so_far else words


def _sentence(
    setting: Setting, winner: int, gains: Gains, controls: Sequence[JudgedControl]
) -> str:
    where, margin = _where(setting, winner, gains), format_margin(setting.score, setting.margin)
    verdict = judge(gains.best.summary, setting.margin)
    if is_winning_ticket(setting, gains, controls):
        return (
            f"{where} this is a winning ticket: it matches the dense network and beats random "
            "reinit."
        )
    down_to = matches_down_to(gains.summaries, setting.margin)
    until = ""
    if down_to is not None and verdict in (BEHIND, UNDECIDED):
        left = 100 * setting.means("remaining")[down_to]
        until = f", but down to {left:.1f} % every round matches"
    yet = ", though it is behind it" if gains.best.summary.interval[1] < 0 else ""
    return {
        BEATS: f"{where} the network beats the dense one.",
        MATCHES: f"{where} the network matches the dense one within {margin}{yet}.",
        BEHIND: f"{where} the network is behind the dense one{until}.",
        UNDECIDED: f"{where} it is undecided whether the network matches the dense one{until}.",
        TOO_FEW: f"{where} it cannot be said yet whether the network matches the dense one: "
        f"there {'is' if len(gains.seeds) == 1 else 'are'} {plural(len(gains.seeds), 'seed')}, "
        f"and {ENOUGH_SEEDS} are needed.",
    }[verdict]


def _matching(setting: Setting, gains: Gains) -> Tile:
    name, margin = "matches dense down to", format_margin(setting.score, setting.margin)
    if len(gains.seeds) < ENOUGH_SEEDS:
        return Tile(name, CANNOT_SAY, TOO_FEW, TOO_FEW)
    number = matches_down_to(gains.summaries, setting.margin)
    if number is None:
        first = min(gains.summaries)
        return Tile(name, "no round", f"round {first} is not shown to match within {margin}")
    detail = f"round {number}; every round down to it matches within {margin}"
    return Tile(name, f"{100 * setting.means('remaining')[number]:.1f} %", detail, MATCHES)


def _gain(setting: Setting, gains: Gains) -> Tile:
    score, summary = setting.score, gains.best.summary
    verdict = judge(summary, setting.margin)
    which = "best round" if setting.has_validation else "last round"
    value = f"{format_gain(score, summary.mean)} {score.gain_unit}"
    interval = "" if summary.count < 2 else format_interval(score, summary)
    if interval and not summary.all_equal:
        interval = f"95 % interval {interval}"
    detail = "; ".join(filter(None, (interval, verdict)))
    return Tile(f"gain of the {which} over dense", value, detail, verdict)


def _speed(setting: Setting, gains: Gains) -> Tile:
    name, ratio = "ES compared with dense", speed_against_dense(setting, gains.picks)
    if ratio is None:
        moving = has_dynamic(setting.config)
        why = "ES is looked for only where the masks stay" if moving else "ES is not comparable"
        return Tile(name, CANNOT_SAY, f"speed of learning: {why}")
    verdict = judge_speed(ratio)
    interval = f"95 % interval {format_ratios(ratio)}; " if ratio.count > 1 else ""
    detail = f"speed of learning; {interval}{verdict}"
    return Tile(name, f"{format_ratio(ratio.mean)} times", detail, verdict)


def _seeds(setting: Setting, gains: Gains) -> Tile:
    there, compared = [run.seed for run in setting.runs], gains.seeds
    named = f"seeds {enumerate_words([*map(str, compared)])}"
    detail = named if len(compared) <= MOST_SEEDS else "all are compared"
    if len(compared) < len(there):
        detail = f"of {len(there)}; the others lack rounds"
    elif len(compared) < ENOUGH_SEEDS:
        detail = f"at least {ENOUGH_SEEDS} are needed for a verdict"
    return Tile("seeds", str(len(compared)), detail)

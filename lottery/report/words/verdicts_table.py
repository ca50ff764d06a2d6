"""The verdicts of several settings in one table, a word in each cell."""

from collections import defaultdict
from collections.abc import Sequence

from lottery.report.read.controls import against_dense, speed_against_dense
from lottery.report.read.gains import Gains
from lottery.report.read.roles import TICKET
from lottery.report.read.settings import Setting
from lottery.report.words.controls import JudgedControl, controls_of
from lottery.report.words.dense import is_winning_ticket
from lottery.report.words.scores import format_gain, format_interval, gain_column
from lottery.report.words.table import NONE, Table, format_percent
from lottery.report.words.tables import matching_text
from lottery.report.words.verdicts import TOO_FEW, judge, judge_speed

WINNING, NOT_SHOWN = "winning ticket", "not shown"
CAPTION = (
    "In the best pruned rounds. Against controls: the verdict in the best rounds, then in the "
    "last one if it is another. The rules are below; the sentences say more."
)


def verdicts_table(
    settings: Sequence[Setting], controls: Sequence[JudgedControl], title: str
) -> Table:
    """Make the table of settings of one score that have masks of their own."""
    rows = tuple(_row(setting, controls_of(setting, controls)) for setting in settings)
    return Table(title, rows, CAPTION)


def _row(setting: Setting, controls: Sequence[JudgedControl]) -> dict[str, str]:
    winner, gains = setting.best_pruned_round(), against_dense(setting)
    left = None if winner is None else setting.means("remaining").get(winner)
    row = {"setting": setting.label, "seeds": str(len(gains.seeds if gains else setting.runs))}
    row["best round %"] = format_percent(left)
    if gains:
        summary, score = gains.best.summary, setting.score
        row[gain_column(score, "", "dense")] = format_gain(score, summary.mean)
        row["95 % interval"] = format_interval(score, summary)
        row["against dense"] = judge(summary, setting.margin)
        row["matches down to"] = matching_text(setting, gains)
        ratio = speed_against_dense(setting, gains.picks)
        row["speed"] = judge_speed(ratio) if ratio else NONE
    by_role: dict[str, list[str]] = defaultdict(list)
    for control in controls:
        by_role[control.comparison.role].append(_words(control))
    row |= {f"against {role}": "; ".join(words) for role, words in by_role.items()}
    return row | ({"ticket": _ticket(setting, gains, controls)} if gains else {})


def _words(control: JudgedControl) -> str:
    return ", then ".join(dict.fromkeys(control.verdicts))


def _ticket(setting: Setting, gains: Gains, controls: Sequence[JudgedControl]) -> str:
    if setting.role != TICKET:
        return NONE
    if judge(gains.best.summary, setting.margin) == TOO_FEW:
        return TOO_FEW
    return WINNING if is_winning_ticket(setting, gains, controls) else NOT_SHOWN

"""The tables of rounds, settings, controls, runs and checks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lottery.record.opened_run import OpenedRun
from lottery.record.score import ACCURACY, Score
from lottery.report.read.controls import Comparison, against_dense
from lottery.report.read.runs import state_of
from lottery.report.read.settings import Setting
from lottery.report.read.statistics import Summary
from lottery.report.words.scores import column, format_gain, format_interval, gain_column
from lottery.report.words.table import (
    NONE,
    Table,
    format_number,
    format_percent,
)
from lottery.report.words.verdicts import TOO_FEW, falls_below_from, judge, of_enough_seeds

MANY_RUNS = 12  # from here on the table of runs is folded
# Header, column of results.csv or timing.csv, factor, decimals
ROUND_COLUMNS = (
    ("remaining %", "remaining", 100, 2),
    ("parameters", "params_remaining", 1, 0),
    ("FLOPs", "flops_remaining", 1, 0),
    ("ES", "ES", 1, 0),
    ("val F1 %", "val_f1", 100, 2),
    ("F1 %", "f1", 100, 2),
    ("precision %", "precision", 100, 2),
    ("recall %", "recall", 100, 2),
    ("train s", "train_seconds", 1, 1),
    ("steps/s", "steps_per_second", 1, 0),
    ("inference ms", "inference_ms", 1, 5),
    ("peak MB", "peak_memory_mb", 1, 0),
)
SCORES = (("val", "val"), ("test", "test"), ("test_last", "test at end"))  # they follow ES
AT_ES = "measured at the early-stopping step (ES), on the test set unless the column says 'val'"
AVERAGES = "macro averages; with two classes they are those of class 1"


def rounds_table(setting: Setting, title: str) -> Table:
    """Make the table of a setting's rounds, as means over the seeds."""
    columns = [(entry, setting.means(entry.column)) for entry in _round_columns(setting.score)]
    score, tests, winner = setting.score, setting.summaries("test"), setting.winning_round()
    several = len(setting.runs) > 1
    rows = []
    for number, seeds in setting.values("remaining").items():
        row = {"round": f"{number} (winning)" if number == winner else str(number)}
        if several:
            row["seeds"] = str(len(seeds))
        row |= {entry.header: entry.write(means.get(number)) for entry, means in columns if means}
        if several and (test := tests.get(number)):
            words = f"{score.format(test.lowest)} to {score.format(test.highest)}"
            row[column(score, "test, lowest to highest")] = words
        rows.append(row)
    return Table(title, tuple(rows), _rounds_caption(setting, several=several))


@dataclass(frozen=True)
class _Column:
    """A column of the table of rounds."""

    header: str
    column: str  # of results.csv or timing.csv
    write: Callable[[float | None], str]


def _round_columns(score: Score) -> list[_Column]:
    """Return the columns: sizes and ES, the scores, then the others."""
    found = [_Column(column(score, words), name, score.format) for name, words in SCORES]
    others = [
        _Column(header, name, partial(format_number, decimals=decimals, factor=factor))
        for header, name, factor, decimals in ROUND_COLUMNS
    ]
    start = [entry.column for entry in others].index("ES") + 1
    return [*others[:start], *found, *others[start:]]


def _rounds_caption(setting: Setting, *, several: bool) -> str:
    averages = bool(setting.values("f1"))
    measured = {ACCURACY: "Accuracies"}.get(setting.score, setting.score.metric)
    if averages:
        caption = f"{measured}, F1, precision and recall are {AT_ES}. F1, precision and recall "
        caption += f"are {AVERAGES}."
    else:
        caption = f"{measured} is {AT_ES}."
    return caption + (" The numbers are means over the seeds." if several else "")


def settings_table(settings: Sequence[Setting], title: str = "Settings") -> Table:
    """Make the table of settings of one score: the dense network and the best round of each."""
    return Table(title, tuple(_setting_row(setting) for setting in settings))


def _setting_row(setting: Setting) -> dict[str, str]:
    winner, comparison = setting.winning_round(), against_dense(setting)

    def winning(column: str) -> float | None:
        return None if winner is None else setting.means(column).get(winner)

    score = setting.score
    flops, flops_left = winning("flops"), winning("flops_remaining")
    difference = None if winner is None else comparison.summaries.get(winner)
    return {
        "setting": setting.label,
        "network": setting.network,
        "seeds": str(len(setting.runs)),
        column(score, "dense test"): score.format(setting.means("test").get(0)),
        "winning round": NONE if winner is None else str(winner),
        "remaining %": format_percent(winning("remaining")),
        column(score, "test"): score.format(winning("test")),
        gain_column(score, "minus dense"): _mean_gain(score, difference),
        "95 % interval": format_interval(score, difference) if difference else NONE,
        "verdict": judge(difference) if difference else NONE,
        "falls below dense from": _below_text(comparison),
        "parameters left": format_number(winning("params_remaining")),
        "FLOPs left %": format_percent(flops_left / flops if flops and flops_left else None),
        "ES": format_number(winning("ES")),
        "dense ES": format_number(setting.means("ES").get(0)),
    }


def _mean_gain(score: Score, difference: Summary | None) -> str:
    return format_gain(score, difference.mean) if difference else NONE


def _below_text(comparison: Comparison) -> str:
    means = of_enough_seeds(comparison.summaries)
    if not means:
        return TOO_FEW if comparison.summaries else NONE
    number = falls_below_from(means)
    return "no round" if number is None else f"round {number}"


def controls_table(comparisons: Sequence[Comparison], title: str) -> Table:
    """Make the table of tickets against their controls, one row per control and round."""
    rows = [
        {
            "ticket": comparison.ticket.label,
            "control": comparison.control.label,
            "round": str(number),
            "remaining %": format_percent(comparison.ticket.means("remaining")[number]),
            "seeds": str(difference.count),
            gain_column(score, "ticket minus control"): format_gain(score, difference.mean),
            "95 % interval": format_interval(score, difference),
            "by seed": " ".join(format_gain(score, g) for g in comparison.gains[number].values()),
            "the ticket": judge(difference),
        }
        for comparison in comparisons
        for score in (comparison.ticket.score,)
        for number, difference in comparison.summaries.items()
    ]
    return Table(title, tuple(rows))


def runs_table(runs: Sequence[OpenedRun]) -> Table:
    """Make the table of runs, with their seeds and the number of finished rounds."""
    rows = tuple(
        {
            "folder": str(run.path),
            "seed": str(run.seed),
            "rounds": str(len(run.records)),
            "state": state_of(run),
        }
        for run in runs
    )
    return Table("Runs", rows, folded=len(rows) > MANY_RUNS)


def integrity_table(run: OpenedRun) -> Table:
    """Make the table of what a run measured of itself after every round."""
    names = dict.fromkeys(name for record in run.records for name in record["checks"])
    rows = tuple(
        {"round": str(record["row"]["round"])}
        | {name: _check_text(record["checks"].get(name)) for name in names}
        for record in run.records
    )
    title = f"Integrity of {run.name}, seed {run.seed}"
    return Table(title, rows, "A run stops if one of these is wrong.", folded=True)


def _check_text(value: object) -> str:
    if value is None or value == []:
        return NONE
    if isinstance(value, list):
        return " ".join(map(str, value))
    text = str(value)
    return text if len(text) <= 16 else f"{text[:12]}..."  # a digest

"""The tables of rounds, settings, controls, runs and checks."""

from collections.abc import Sequence

from lottery.record.opened_run import OpenedRun
from lottery.report.read.controls import Comparison, against_dense
from lottery.report.read.runs import state_of
from lottery.report.read.settings import Setting
from lottery.report.words.table import (
    NONE,
    Table,
    format_interval,
    format_number,
    format_percent,
    format_points,
)
from lottery.report.words.verdicts import TOO_FEW, falls_below_from, judge, of_enough_seeds

MANY_RUNS = 12  # from here on the table of runs is folded
# Header, column of results.csv or timing.csv, factor, decimals
ROUND_COLUMNS = (
    ("remaining %", "remaining", 100, 2),
    ("parameters", "params_remaining", 1, 0),
    ("FLOPs", "flops_remaining", 1, 0),
    ("ES", "ES", 1, 0),
    ("val %", "val", 100, 2),
    ("test %", "test", 100, 2),
    ("val F1 %", "val_f1", 100, 2),
    ("F1 %", "f1", 100, 2),
    ("precision %", "precision", 100, 2),
    ("recall %", "recall", 100, 2),
    ("test at end %", "test_last", 100, 2),
    ("train s", "train_seconds", 1, 1),
    ("steps/s", "steps_per_second", 1, 0),
    ("inference ms", "inference_ms", 1, 5),
    ("peak MB", "peak_memory_mb", 1, 0),
)
ROUNDS_CAPTION = (
    "Accuracies, F1, precision and recall are measured at the early-stopping step (ES), on the "
    "test set unless the column says 'val'. F1, precision and recall are macro averages; with two "
    "classes they are those of class 1."
)


def rounds_table(setting: Setting, title: str) -> Table:
    """Make the table of a setting's rounds, as means over the seeds."""
    means = {column: setting.means(column) for _, column, _, _ in ROUND_COLUMNS}
    tests, winner = setting.summaries("test"), setting.winning_round()
    several = len(setting.runs) > 1
    rows = []
    for number, seeds in setting.values("remaining").items():
        row = {"round": f"{number} (winning)" if number == winner else str(number)}
        if several:
            row["seeds"] = str(len(seeds))
        for header, column, factor, decimals in ROUND_COLUMNS:
            if means[column]:
                value = means[column].get(number)
                row[header] = format_number(None if value is None else factor * value, decimals)
        if several and (test := tests.get(number)):
            low, high = format_percent(test.lowest), format_percent(test.highest)
            row["test, lowest to highest %"] = f"{low} to {high}"
        rows.append(row)
    caption = ROUNDS_CAPTION + (" The numbers are means over the seeds." if several else "")
    return Table(title, tuple(rows), caption)


def settings_table(settings: Sequence[Setting]) -> Table:
    """Make the table of settings: the dense network and the winning round of each."""
    return Table("Settings", tuple(_setting_row(setting) for setting in settings))


def _setting_row(setting: Setting) -> dict[str, str]:
    winner, comparison = setting.winning_round(), against_dense(setting)

    def winning(column: str) -> float | None:
        return None if winner is None else setting.means(column).get(winner)

    flops, flops_left = winning("flops"), winning("flops_remaining")
    difference = None if winner is None else comparison.summaries.get(winner)
    return {
        "setting": setting.label,
        "network": setting.network,
        "seeds": str(len(setting.runs)),
        "dense test %": format_percent(setting.means("test").get(0)),
        "winning round": NONE if winner is None else str(winner),
        "remaining %": format_percent(winning("remaining")),
        "test %": format_percent(winning("test")),
        "minus dense, points": format_points(difference.mean) if difference else NONE,
        "95 % interval": format_interval(difference) if difference else NONE,
        "verdict": judge(difference) if difference else NONE,
        "falls below dense from": _below_text(comparison),
        "parameters left": format_number(winning("params_remaining")),
        "FLOPs left %": format_percent(flops_left / flops if flops and flops_left else None),
        "ES": format_number(winning("ES")),
        "dense ES": format_number(setting.means("ES").get(0)),
    }


def _below_text(comparison: Comparison) -> str:
    means = of_enough_seeds(comparison.summaries)
    if not means:
        return TOO_FEW if comparison.summaries else NONE
    number = falls_below_from(means)
    return "no round" if number is None else f"round {number}"


def controls_table(comparisons: Sequence[Comparison]) -> Table:
    """Make the table of tickets minus their controls, one row per control and round."""
    rows = [
        {
            "ticket": comparison.ticket.label,
            "control": comparison.control.label,
            "round": str(number),
            "remaining %": format_percent(comparison.ticket.means("remaining")[number]),
            "seeds": str(difference.count),
            "ticket minus control, points": format_points(difference.mean),
            "95 % interval": format_interval(difference),
            "by seed": " ".join(map(format_points, comparison.differences[number].values())),
            "the ticket": judge(difference),
        }
        for comparison in comparisons
        for number, difference in comparison.summaries.items()
    ]
    return Table("The ticket against its controls", tuple(rows))


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

"""Tables: of a run's rounds, of settings, of controls; for Markdown and HTML alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from lottery.report.runs import RunRecord
from lottery.report.settings import Setting
from lottery.report.statistics import Summary
from lottery.report.ticket_vs_controls import Comparison, against_dense
from lottery.report.verdicts import (
    ENOUGH_SEEDS,
    TOO_FEW,
    best_round,
    falls_below_from,
    judge,
)

NONE = "-"


@dataclass(frozen=True)
class Table:
    """Rows of text under a heading."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    long: bool = False  # folded away on the page


# Header, column, scale, decimals
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


def rounds_table(setting: Setting, *, title: str, long: bool = False) -> Table:
    """All rounds of a setting, means over its seeds; test accuracy with its extremes.

    Args:
        setting: the setting.
        title: of the table.
        long: whether it is folded away on the page.
    """
    summaries = {name: setting.summaries(name) for _, name, _, _ in ROUND_COLUMNS}
    shown = [entry for entry in ROUND_COLUMNS if summaries[entry[1]]]
    several = len(setting.runs) > 1
    winner = best_round(setting.means("val"), setting.means("remaining"))
    rows = []
    for number in summaries["remaining"]:
        cells = [f"{number} (winning)" if number == winner else str(number)]
        for _, name, scale, decimals in shown:
            cells.append(_mean(summaries[name].get(number), scale, decimals))
        if several:
            test = summaries["test"][number]
            cells[1:1] = [str(test.count)]
            cells.append(f"{100 * test.lowest:.2f} to {100 * test.highest:.2f}")
        rows.append(tuple(cells))
    header = ["round", *(["seeds"] if several else []), *(name for name, *_ in shown)]
    header += ["test, lowest to highest %"] if several else []
    caption = "Measures are at ES; those without 'val' are on the test set; F1, precision and "
    caption += "recall are macro averages, with two classes those of class 1"
    caption += ", means over the seeds." if several else "."
    return Table(title, tuple(header), tuple(rows), caption, long)


def settings_table(settings: Sequence[Setting]) -> Table:
    """A line per setting: dense network and winning ticket, whatever the architectures."""
    columns = (
        *("setting", "network", "seeds", "dense test %", "winning round"),
        *("remaining %", "test %", "less dense, points", "95 % interval", "verdict"),
        *("falls below dense from", "parameters left", "FLOPs left %", "ES", "dense ES"),
    )
    return Table("Settings", columns, tuple(_setting_row(setting) for setting in settings))


def _setting_row(setting: Setting) -> tuple[str, ...]:
    names = ("val", "remaining", "test", "params_remaining", "flops", "flops_remaining", "ES")
    means = {name: setting.means(name) for name in names}
    winner = best_round(means["val"], means["remaining"])
    dense = means["test"].get(0)
    start = (setting.label, f"{setting.chosen('model')} on {setting.chosen('dataset')}")
    seeds, dense_text = str(len(setting.runs)), _number(dense, 100, 2)
    es = _number(means["ES"].get(0), 1, 0)
    if winner is None:
        return (*start, seeds, dense_text, *[NONE] * 10, es)
    comparison = against_dense(setting)
    summary = comparison.summaries.get(winner)
    flops = means["flops"].get(winner)
    flops_left = means["flops_remaining"][winner] / flops if flops else None
    return (
        *(*start, seeds, dense_text, str(winner)),
        *(_number(means["remaining"][winner], 100, 2), _number(means["test"][winner], 100, 2)),
        *(format_points(summary), format_interval(summary)),
        judge(list(comparison.differences[winner].values())) if summary else NONE,
        below_text(comparison),
        *(_number(means["params_remaining"].get(winner), 1, 0), _number(flops_left, 100, 2)),
        *(_number(means["ES"].get(winner), 1, 0), es),
    )


def below_text(comparison: Comparison) -> str:
    """From which round on a setting falls below dense, among rounds of enough seeds."""
    summaries = comparison.summaries
    means = {n: summary.mean for n, summary in summaries.items() if summary.count >= ENOUGH_SEEDS}
    if not means:
        return TOO_FEW if summaries else NONE
    number = falls_below_from(means)
    return "no round" if number is None else f"round {number}"


def controls_table(comparisons: Sequence[Comparison]) -> Table | None:
    """Tickets less their controls, a row per control and round; None where there is none."""
    rows = tuple(
        (
            *(comparison.ticket.label, comparison.control.label, str(number)),
            _number(comparison.ticket.means("remaining")[number], 100, 2),
            *(str(summary.count), format_points(summary), format_interval(summary)),
            " ".join(_signed(d) for d in comparison.differences[number].values()),
            judge(list(comparison.differences[number].values())),
        )
        for comparison in comparisons
        for number, summary in comparison.summaries.items()
    )
    columns = (
        *("ticket", "control", "round", "remaining %", "seeds", "ticket less control, points"),
        *("95 % interval", "by seed", "the ticket"),
    )
    return Table("The ticket against its controls", columns, rows) if rows else None


def runs_table(runs: Sequence[RunRecord]) -> Table:
    """The runs, their seeds and how far they are."""
    rows = tuple((str(run.path), str(run.seed), str(len(run.records)), run.state) for run in runs)
    return Table("Runs", ("folder", "seed", "rounds", "state"), rows, long=len(rows) > 12)


def integrity_table(run: RunRecord, *, title: str) -> Table:
    """What a run measured of itself at every round boundary.

    Args:
        run: the run.
        title: of the table.
    """
    names = list(dict.fromkeys(name for record in run.records for name in record["checks"]))
    rows = tuple(
        (str(record["row"]["round"]), *(_check(record["checks"].get(name)) for name in names))
        for record in run.records
    )
    caption = "The run stops where one of these is wrong."
    return Table(title, ("round", *names), rows, caption, long=True)


def _check(value: object) -> str:
    if value is None or value == []:
        return NONE
    if isinstance(value, list):
        return " ".join(map(str, value))
    text = str(value)
    return text if len(text) <= 16 else f"{text[:12]}..."  # digests


def format_points(summary: Summary | None) -> str:
    """A mean difference with its sign."""
    return NONE if summary is None else _signed(summary.mean)


def format_interval(summary: Summary | None) -> str:
    """A confidence interval; none for one seed."""
    if summary is None or summary.count < 2:
        return NONE
    low, high = summary.interval
    return f"{_signed(low)} to {_signed(high)}"


def format_difference(summary: Summary) -> str:
    """A mean difference with its confidence interval, for a sentence."""
    seeds = f"{summary.count} seed{'s' if summary.count > 1 else ''}"
    known = f"95 % interval {format_interval(summary)}, {seeds}" if summary.count > 1 else seeds
    return f"{format_points(summary)} points ({known})"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"  # -0.001 is +0.00


def _mean(summary: Summary | None, scale: float, decimals: int) -> str:
    return _number(summary.mean if summary else None, scale, decimals)


def _number(value: float | None, scale: float, decimals: int) -> str:
    return NONE if value is None else f"{scale * value:,.{decimals}f}"

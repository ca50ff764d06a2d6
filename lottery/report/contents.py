"""What a report holds, of one run or of many, before it is written in any form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lottery.report.accuracy import accuracy_figure, flops_figure, parameters_figure
from lottery.report.comparison import comparison_figure
from lottery.report.figure import Figure
from lottery.report.forests import (
    ForestResults,
    forests_answer,
    forests_lines,
    forests_table,
    read_all_forests,
)
from lottery.report.layers import layers_figure
from lottery.report.learning import learning_figure
from lottery.report.runs import RunRecord
from lottery.report.sanity import run_checks
from lottery.report.settings import Setting, group_runs
from lottery.report.stability import stability_figures, stability_table
from lottery.report.summary_text import Answer, write_answers
from lottery.report.tables import (
    Table,
    controls_table,
    integrity_table,
    rounds_table,
    runs_table,
    settings_table,
)
from lottery.report.ticket_vs_controls import Comparison, compare_with_controls

MAX_NAMED = 12  # runs, one by one
MAX_LINES = 14  # colours and dashes that one can tell apart in a figure
FIGURES = (
    *("1_accuracy", "2_parameters", "3_layers", "4_learning", "5_flops", "6_settings"),
    *("7_lines", "8_instability"),
)


@dataclass(frozen=True)
class Contents:
    """A report."""

    title: str
    notes: tuple[str, ...]  # what a reader must know: unfinished runs, what was left out
    answers: tuple[Answer, ...]
    checks: tuple[str, ...]  # what speaks against the results, or that nothing does
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]


def make_contents(
    runs: Sequence[RunRecord], problems: Sequence[str] = (), *, interval: bool = False
) -> Contents:
    """Everything a report says.

    Args:
        runs: one or more.
        problems: lines about runs that could not be read.
        interval: whether bands are 95 % confidence intervals instead of lowest to highest.
    """
    settings, doubles = group_runs(runs)
    comparisons = compare_with_controls(settings)
    started = [setting for setting in settings if setting.values("remaining")]
    drawn = started[:MAX_LINES]
    by_run, damaged = read_all_forests(runs[:MAX_NAMED])
    notes = [*problems, *doubles, *_unfinished(runs), *damaged]
    if len(started) > len(drawn):
        notes.append(f"The figures show the first {len(drawn)} of {len(started)} settings.")
    if drawn and not any(setting.values("flops_remaining") for setting in drawn):
        notes.append("Figure 5 is missing: no run has recorded FLOPs.")
    return Contents(
        _title(settings, runs),
        tuple(notes),
        (*write_answers(settings, comparisons), *map(forests_answer, by_run)),
        run_checks(started, comparisons),
        tuple(_figures(drawn, comparisons, by_run, several=len(runs) > 1, interval=interval)),
        (*_tables(settings, comparisons, runs), *map(forests_table, by_run)),
    )


def _title(settings: Sequence[Setting], runs: Sequence[RunRecord]) -> str:
    what = settings[0].name if len(settings) == 1 else f"{len(settings)} settings"
    return f"{what}, seed {runs[0].seed}" if len(runs) == 1 else f"{what}, {len(runs)} runs"


def _unfinished(runs: Sequence[RunRecord]) -> list[str]:
    unfinished = [run for run in runs if run.status != "finished"]
    if len(unfinished) > MAX_NAMED:
        return [f"{len(unfinished)} of {len(runs)} runs are not finished: see the table of runs."]
    return [f"{run.name}, seed {run.seed}: {run.state}" for run in unfinished]


def _figures(
    settings: Sequence[Setting],
    comparisons: Sequence[Comparison],
    by_run: Sequence[ForestResults],
    *,
    several: bool,
    interval: bool,
) -> Iterator[Figure]:
    if not settings:
        return
    yield accuracy_figure(settings, interval=interval)
    yield parameters_figure(settings, interval=interval)
    yield layers_figure(settings)
    yield learning_figure(settings, interval=interval)
    forests = [] if several else [line for of_run in by_run for line in forests_lines(of_run)]
    if flops := flops_figure(settings, interval=interval, others=forests):
        yield flops
    if several:
        names = {setting.label for setting in settings}
        drawn = [p for p in comparisons if {p.ticket.label, p.control.label} <= names]
        yield comparison_figure(settings, drawn, interval=interval)
    yield from stability_figures(settings, interval=interval)


def _tables(
    settings: Sequence[Setting], comparisons: Sequence[Comparison], runs: Sequence[RunRecord]
) -> Iterator[Table]:
    one = len(settings) == 1
    if not one:
        yield settings_table(settings)
    if controls := controls_table(comparisons):
        yield controls
    if stability := stability_table(settings):
        yield stability
    for setting in settings:
        yield rounds_table(setting, title="Rounds" if one else f"Rounds of {setting.label}")
    if one:
        yield settings_table(settings)
    yield runs_table(runs)
    for run in runs[:MAX_NAMED]:
        yield integrity_table(run, title=f"Integrity of {run.name}, seed {run.seed}")

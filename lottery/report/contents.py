"""The contents of a report of one run or many, before a template writes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lottery.report.figures.accuracy import accuracy_figure, flops_figure, parameters_figure
from lottery.report.figures.comparison import comparison_figure
from lottery.report.figures.figure import MAX_LINES, Figure
from lottery.report.figures.forests import forest_lines
from lottery.report.figures.layers import layers_figure
from lottery.report.figures.learning import learning_figure
from lottery.report.figures.stability import stability_figures
from lottery.report.read.controls import Comparison, compare_with_controls
from lottery.report.read.forests import RunForests, read_all_forests
from lottery.report.read.groups import group_runs
from lottery.report.read.runs import RunRecord
from lottery.report.read.settings import Setting
from lottery.report.words.forests import forest_answer, forest_table
from lottery.report.words.sanity import run_checks
from lottery.report.words.stability import stability_table
from lottery.report.words.summary_text import Answer, write_answers
from lottery.report.words.table import Table
from lottery.report.words.tables import (
    controls_table,
    integrity_table,
    rounds_table,
    runs_table,
    settings_table,
)

MAX_RUNS = 12  # that are named one by one


@dataclass(frozen=True)
class Contents:
    """The contents of a report."""

    title: str
    notes: tuple[str, ...]  # what a reader must know first: unfinished runs, what was left out
    answers: tuple[Answer, ...]
    checks: tuple[str, ...]  # reasons to doubt the results, and the checks that passed
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]


def make_contents(
    runs: Sequence[RunRecord], problems: Sequence[str] = (), *, interval: bool = False
) -> Contents:
    """Make everything that a report shows.

    Args:
        runs: one or more.
        problems: lines about runs that could not be read.
        interval: bands are 95 % confidence intervals instead of lowest to highest.
    """
    settings, doubles = group_runs(runs, band_is_interval=interval)
    comparisons = compare_with_controls(settings)
    started = [setting for setting in settings if setting.values("remaining")]
    drawn = started[:MAX_LINES]
    forests, damaged = read_all_forests(runs[:MAX_RUNS])
    notes = [*problems, *doubles, *_unfinished(runs), *damaged]
    if len(started) > len(drawn):
        notes.append(f"The figures show the first {len(drawn)} of {len(started)} settings.")
    if drawn and not any(setting.values("flops_remaining") for setting in drawn):
        notes.append("Figure 5 is missing: no run has recorded FLOPs.")
    return Contents(
        title=_title(settings, runs),
        notes=tuple(notes),
        answers=(*write_answers(settings, comparisons), *map(forest_answer, forests)),
        checks=run_checks(started, comparisons),
        figures=tuple(_figures(drawn, comparisons, forests, runs)) if drawn else (),
        tables=(*_tables(settings, comparisons, runs), *map(forest_table, forests)),
    )


def _title(settings: Sequence[Setting], runs: Sequence[RunRecord]) -> str:
    name = settings[0].name if len(settings) == 1 else f"{len(settings)} settings"
    return f"{name}, seed {runs[0].seed}" if len(runs) == 1 else f"{name}, {len(runs)} runs"


def _unfinished(runs: Sequence[RunRecord]) -> list[str]:
    unfinished = [run for run in runs if run.status != "finished"]
    if len(unfinished) > MAX_RUNS:
        return [f"{len(unfinished)} of {len(runs)} runs are not finished: see the table of runs."]
    return [f"{run.name}, seed {run.seed}: {run.state}" for run in unfinished]


def _figures(
    settings: Sequence[Setting],
    comparisons: Sequence[Comparison],
    forests: Sequence[RunForests],
    runs: Sequence[RunRecord],
) -> Iterator[Figure]:
    several = len(runs) > 1
    yield accuracy_figure(settings)
    yield parameters_figure(settings)
    yield layers_figure(settings)
    yield learning_figure(settings)
    lines = [] if several else [line for of_run in forests for line in forest_lines(of_run)]
    if flops := flops_figure(settings, lines):
        yield flops
    if several:
        labels = {setting.label for setting in settings}
        drawn = [p for p in comparisons if {p.ticket.label, p.control.label} <= labels]
        yield comparison_figure(settings, drawn)
    yield from stability_figures(settings)


def _tables(
    settings: Sequence[Setting], comparisons: Sequence[Comparison], runs: Sequence[RunRecord]
) -> list[Table]:
    """Return the tables that have rows; the table of settings is first if there are several."""
    one = len(settings) == 1
    rounds = [rounds_table(s, "Rounds" if one else f"Rounds of {s.label}") for s in settings]
    compared = [controls_table(comparisons), stability_table(settings)]
    overview = settings_table(settings)
    tables = [*compared, *rounds, overview] if one else [overview, *compared, *rounds]
    tables += [runs_table(runs), *map(integrity_table, runs[:MAX_RUNS])]
    return [table for table in tables if table.rows]

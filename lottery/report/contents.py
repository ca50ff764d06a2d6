"""The contents of a report of one run or many, before a template writes them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from lottery.record.opened_run import OpenedRun
from lottery.record.score import ACCURACY
from lottery.record.study import StudyJson
from lottery.report.figures.accuracy import (
    accuracy_figure,
    flops_figure,
    parameters_figure,
    training_figure,
)
from lottery.report.figures.comparison import comparison_figure
from lottery.report.figures.figure import MAX_LINES, Figure
from lottery.report.figures.layers import layers_figure
from lottery.report.figures.learning import learning_figure
from lottery.report.figures.masks import masks_figure
from lottery.report.figures.stability import stability_figures
from lottery.report.read.against import compare_against
from lottery.report.read.controls import compare_with_controls
from lottery.report.read.forests import read_forests
from lottery.report.read.groups import by_score, group_runs
from lottery.report.read.masks import find_compared_masks
from lottery.report.read.runs import read_each, state_of
from lottery.report.read.settings import Setting
from lottery.report.read.stability import AnalysedStep, find_analysed_steps
from lottery.report.words.against import AGAINST_RULE, against_answers, against_tables
from lottery.report.words.at_steps import at_steps_table, missing_steps
from lottery.report.words.controls import JudgedControl, judge_controls
from lottery.report.words.forests import forest_answer, forest_table
from lottery.report.words.masks import masks_answers, masks_tables
from lottery.report.words.rounds_table import rounds_table
from lottery.report.words.rules import rules
from lottery.report.words.sanity import run_checks
from lottery.report.words.stability import stability_table
from lottery.report.words.study import study_note, study_table
from lottery.report.words.summary_text import Answer, write_answers
from lottery.report.words.table import Table
from lottery.report.words.tables import (
    controls_table,
    integrity_table,
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
    rules: tuple[str, ...]  # of the answers
    checks: tuple[str, ...]  # reasons to doubt the results, and the checks that passed
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]


def make_contents(
    runs: Sequence[OpenedRun],
    problems: Sequence[str] = (),
    *,
    interval: bool = False,
    margin: float | None = None,
    at: Sequence[int] = (),
    study: StudyJson | None = None,
    against: Collection[Path] = (),
) -> Contents:
    """Make everything that a report shows; most arguments are those of `write_report`."""
    settings, doubles = group_runs(runs, band_is_interval=interval, margin=margin)
    comparisons = compare_with_controls(settings)
    pairs = compare_against(settings, [run.config for run in runs if run.path in against])
    started = [setting for setting in settings if setting.values("remaining")]
    drawn = started[:MAX_LINES]
    steps, damaged_steps = find_analysed_steps(settings)
    masks, damaged_masks = find_compared_masks(settings)
    of_runs, damaged_forests = read_each(read_forests, runs[:MAX_RUNS])
    # Forests classify: their accuracies stand beside no other score
    forests = [of_run for of_run in of_runs if of_run.forests and of_run.run.score == ACCURACY]
    controls = judge_controls(comparisons)
    notes = [study_note(study)] if study else []
    notes += [*problems, *doubles, *_unfinished(runs)]
    notes += [*damaged_steps, *damaged_masks, *damaged_forests]
    notes += missing_steps(started, at)
    if len(started) > len(drawn):
        notes.append(f"The figures show the first {len(drawn)} of {len(started)} settings.")
    if drawn and not any(setting.values("flops_remaining") for setting in drawn):
        notes.append("Figure 5 is missing: no run has recorded FLOPs.")
    figures: list[Figure | None] = []
    if drawn:
        figures += [accuracy_figure(drawn), parameters_figure(drawn), layers_figure(drawn)]
        of_one_run = forests if len(runs) == 1 else []
        figures += [learning_figure(drawn), flops_figure(drawn, of_one_run)]
        figures += [comparison_figure(drawn, comparisons)] if len(runs) > 1 else []
        figures += stability_figures([step for step in steps if step.setting in drawn])
        figures.append(training_figure(drawn))
    one = len(settings) == 1
    figures.append(masks_figure(masks))
    rounds = [rounds_table(s, "Rounds" if one else f"Rounds of {s.label}") for s in settings]
    fixed = [
        at_steps_table(s, at, "At fixed steps" if one else f"At fixed steps: {s.label}")
        for s in started
    ]
    overviews, compared = _tables_by_score(settings, controls, steps)
    tables = [*compared, *rounds, *overviews] if one else [*overviews, *compared, *rounds]
    tables = [*against_tables(pairs), *tables, *fixed]
    tables += masks_tables(masks)
    if study:
        tables.insert(0, study_table(study))
    tables += [runs_table(runs), *map(integrity_table, runs[:MAX_RUNS])]
    tables += map(forest_table, forests)
    name = settings[0].name if one else f"{len(settings)} settings"
    which = f"seed {runs[0].seed}" if len(runs) == 1 else f"{len(runs)} runs"
    answers = [*against_answers(pairs), *write_answers(settings, controls), *masks_answers(masks)]
    return Contents(
        title=f"{name}, {which}",
        notes=tuple(notes),
        answers=(*answers, *map(forest_answer, forests)),
        rules=(*rules(started), *([AGAINST_RULE] if pairs else [])),
        checks=run_checks(started, controls),
        figures=tuple(figure for figure in figures if figure),
        tables=tuple(table for table in tables if table.rows),
    )


def _tables_by_score(
    settings: Sequence[Setting], controls: Sequence[JudgedControl], steps: Sequence[AnalysedStep]
) -> tuple[list[Table], list[Table]]:
    """Return the tables of settings, and those of controls and stability, one for each score."""
    overviews, compared = [], []
    groups = by_score(settings)
    for score, group in groups.items():
        which = f" ({score.metric})" if len(groups) > 1 else ""
        of_score = [one for one in controls if one.comparison.ticket.score == score]
        overviews.append(settings_table(group, f"Settings{which}"))
        compared.append(controls_table(of_score, f"The ticket against its controls{which}"))
        analysed = [step for step in steps if step.setting.score == score]
        compared.append(stability_table(analysed, f"Stability{which}"))
    return overviews, compared


def _unfinished(runs: Sequence[OpenedRun]) -> list[str]:
    unfinished = [run for run in runs if run.run_json["status"] != "finished"]
    if len(unfinished) > MAX_RUNS:
        return [f"{len(unfinished)} of {len(runs)} runs are not finished: see the table of runs."]
    return [f"{run.name}, seed {run.seed}: {state_of(run)}" for run in unfinished]

"""The contents of a report of one run or many, before a template writes them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
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
from lottery.report.figures.figure import MAX_LINES, Figure, for_paper
from lottery.report.figures.layers import layers_figure
from lottery.report.figures.learning import learning_figure
from lottery.report.figures.masks import masks_figure
from lottery.report.figures.stability import stability_figures
from lottery.report.figures.units import units_figure
from lottery.report.read.against import compare_against
from lottery.report.read.controls import compare_with_controls
from lottery.report.read.forests import read_forests
from lottery.report.read.groups import by_score, group_runs
from lottery.report.read.kept import find_kept
from lottery.report.read.masks import find_compared_masks
from lottery.report.read.questions import Question, find_questions
from lottery.report.read.roles import copies
from lottery.report.read.runs import read_each, state_of
from lottery.report.read.settings import Setting
from lottery.report.read.stability import AnalysedStep, find_analysed_steps
from lottery.report.words.against import AGAINST_RULE, against_answers, against_tables
from lottery.report.words.at_steps import at_steps_table, missing_steps
from lottery.report.words.controls import JudgedControl, judge_controls
from lottery.report.words.forests import forest_answer, forest_table
from lottery.report.words.headline import write_headline
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
from lottery.report.words.tile import Headline
from lottery.report.words.verdicts_table import verdicts_table

MAX_TABLES = 4  # of rounds that are shown unfolded
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
    headline: Headline | None = None
    verdicts: tuple[Table, ...] = ()  # of several settings, in place of the sentences
    settings: tuple[str, ...] = ()  # labels of those that the figures show, if there are several
    questions: tuple[Question, ...] = ()  # that a reader can choose between

    @property
    def pictures(self) -> tuple[Figure, ...]:
        """The figures on paper, where nobody can choose settings."""
        if not self.settings:
            return self.figures
        return tuple(for_paper(figure, self.settings) for figure in self.figures)


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
    steps, damaged_steps = find_analysed_steps(settings)
    masks, damaged_masks = find_compared_masks(settings)
    kept, damaged_kept = find_kept(started)
    of_runs, damaged_forests = read_each(read_forests, runs[:MAX_RUNS])
    # Forests classify: their accuracies stand beside no other score
    forests = [of_run for of_run in of_runs if of_run.forests and of_run.run.score == ACCURACY]
    controls = judge_controls(comparisons)
    notes = [study_note(study)] if study else []
    notes += [*problems, *doubles, *_unfinished(runs)]
    notes += [*damaged_steps, *damaged_masks, *damaged_kept, *damaged_forests]
    notes += missing_steps(started, at)
    if len(started) > MAX_LINES:
        notes.append(
            f"Pictures of figures show the first {MAX_LINES} of {len(started)} settings, and the "
            f"figures on the page {MAX_LINES} at a time."
        )
    if started and not any(setting.values("flops_remaining") for setting in started):
        notes.append("Figure 5 is missing: no run has recorded FLOPs.")
    figures: list[Figure | None] = []
    if started:
        figures += [accuracy_figure(started), parameters_figure(started), layers_figure(started)]
        of_one_run = forests if len(runs) == 1 else []
        figures += [learning_figure(started), flops_figure(started, of_one_run)]
        figures += [comparison_figure(started, comparisons)] if len(runs) > 1 else []
        figures += stability_figures([s for s in steps if s.setting in started[:MAX_LINES]])
        figures.append(training_figure(started))
    one = len(settings) == 1
    figures += [masks_figure(masks), units_figure(kept, with_units=one)]
    rounds = [rounds_table(s, "Rounds" if one else f"Rounds of {s.label}") for s in settings]
    if len(settings) > MAX_TABLES:
        rounds = [replace(table, folded=True) for table in rounds]
    fixed = [
        at_steps_table(s, at, "At fixed steps" if one else f"At fixed steps: {s.label}")
        for s in started
    ]
    verdicts, overviews, compared = _tables_by_score(settings, controls, steps)
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
        headline=write_headline(settings, controls),
        notes=tuple(notes),
        verdicts=() if one else tuple(table for table in verdicts if table.rows),
        answers=(*answers, *map(forest_answer, forests)),
        rules=(*rules(started), *([AGAINST_RULE] if pairs else [])),
        checks=run_checks(started, controls),
        figures=tuple(figure for figure in figures if figure),
        tables=tuple(table for table in tables if table.rows),
        settings=() if one else tuple(setting.label for setting in started),
        questions=() if one else tuple(find_questions(started, comparisons)),
    )


def _tables_by_score(
    settings: Sequence[Setting], controls: Sequence[JudgedControl], steps: Sequence[AnalysedStep]
) -> tuple[list[Table], list[Table], list[Table]]:
    """Return tables for each score: of verdicts, of settings, of controls and stability."""
    verdicts, overviews, compared = [], [], []
    groups = by_score(settings)
    for score, group in groups.items():
        which = f" ({score.metric})" if len(groups) > 1 else ""
        of_score = [one for one in controls if one.comparison.ticket.score == score]
        own = [setting for setting in group if not copies(setting.config)] or group
        verdicts.append(verdicts_table(own, of_score, f"Verdicts{which}"))
        overviews.append(settings_table(group, f"Settings{which}"))
        compared.append(controls_table(of_score, f"The ticket against its controls{which}"))
        analysed = [step for step in steps if step.setting.score == score]
        compared.append(stability_table(analysed, f"Stability{which}"))
    return verdicts, overviews, compared


def _unfinished(runs: Sequence[OpenedRun]) -> list[str]:
    unfinished = [run for run in runs if run.run_json["status"] != "finished"]
    if len(unfinished) > MAX_RUNS:
        return [f"{len(unfinished)} of {len(runs)} runs are not finished: see the table of runs."]
    return [f"{run.name}, seed {run.seed}: {state_of(run)}" for run in unfinished]

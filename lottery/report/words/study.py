"""The table and the sentence of a search: what was tried, and what was best."""

from collections.abc import Sequence

from lottery.record.score import Score, score_of
from lottery.record.study import ObjectiveJson, StudyJson, TrialJson
from lottery.report.words.table import NONE, Table, format_number, format_percent, plural

SHARES = ("remaining", "remaining_all", "val_f1", "val_precision", "val_recall")
COUNTS = ("params_remaining", "flops_remaining", "ES")


def study_note(study: StudyJson) -> str:
    """Say what a search is for, and which trial is the best."""
    aims = [
        f"{'highest' if objective['higher_is_better'] else 'lowest'} {objective['column']}"
        for objective in study["objectives"]
    ]
    done = [trial for trial in study["trials"] if trial["state"] == "complete"]
    best = ", ".join(map(str, study["best"])) or "none yet"
    several = len(aims) > 1
    which = "trials that no other beats in all objectives" if several else "best trial"
    return (
        f"A search for the {' and the '.join(aims)} of the last round: "
        f"{plural(len(done), 'finished trial')}; {which}: {best}. The trials were chosen by "
        "validation data; their best validation score is too good by chance."
    )


def study_table(study: StudyJson) -> Table:
    """Make the table of a search, one row per trial."""
    score = score_of(study)
    rows = tuple(_row(trial, study, score) for trial in study["trials"])
    return Table("Trials of the search", rows)


def _row(trial: TrialJson, study: StudyJson, score: Score) -> dict[str, str]:
    params = {
        key: f"{value:.4g}" if isinstance(value, float) else str(value)
        for key, value in trial["params"].items()
    }
    values: Sequence[float | None] = trial["values"] or [None] * len(study["objectives"])
    cells = dict(
        _cell(objective, value, score)
        for objective, value in zip(study["objectives"], values, strict=True)
    )
    best = "best" if trial["number"] in study["best"] else NONE
    return {"trial": str(trial["number"]), **params, **cells, "state": trial["state"], "": best}


def _cell(objective: ObjectiveJson, value: float | None, score: Score) -> tuple[str, str]:
    """Return the header and the text of an objective's value."""
    column = objective["column"]
    if column in ("val", "val_last"):
        return f"{column} {score.unit}".rstrip(), score.format(value)
    if column in SHARES:
        return f"{column} %", format_percent(value)
    return column, format_number(value, 0 if column in COUNTS else 4)

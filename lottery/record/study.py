"""study.json: what a search has tried and found, for reports; the study itself is Optuna's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from lottery.record.files import damaged, write_json
from lottery.record.schema import ScoreJson
from lottery.record.typed import read_typed

REPAIR = "remove it"


class ObjectiveJson(TypedDict):
    """What a search makes large or small."""

    column: str  # of results.csv
    higher_is_better: bool


class TrialJson(TypedDict):
    """One trial."""

    number: int
    state: str  # complete, fail or running
    params: dict[str, Any]  # by config key
    values: list[float] | None  # of the objectives; None of a trial that is not complete
    run: str


class StudyJson(TypedDict):
    """The content of study.json."""

    study: str  # Optuna's file
    objectives: list[ObjectiveJson]
    score: ScoreJson  # that `val` is in
    trials: list[TrialJson]
    best: list[int]  # with several objectives, trials that no other beats in all of them


def write_study(sweep: Path, entry: StudyJson) -> None:
    """Write the study of a sweep."""
    write_json(sweep / "study.json", entry)


def read_study(folder: Path) -> StudyJson | None:
    """Return the study of a sweep; None of another folder."""
    path = folder / "study.json"
    if not path.exists():
        return None
    study = read_typed(path, StudyJson, REPAIR)
    expected = len(study["objectives"])
    for trial in study["trials"]:
        count = expected if trial["values"] is None else len(trial["values"])
        if count != expected:
            fault = f"trial {trial['number']} has {count} values, {expected} expected"
            raise damaged(path, fault, REPAIR)
    return study


def param_text(params: Mapping[str, Any]) -> str:
    """Write the values of a trial, numbers with four digits.

    Example:
        >>> param_text({"optimizer.lr": 0.00123456, "scope": "global"})
        'optimizer.lr=0.001235 scope=global'
    """
    shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in params.items()}
    return " ".join(f"{key}={value}" for key, value in shown.items())

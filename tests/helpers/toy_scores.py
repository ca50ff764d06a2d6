"""Toy runs whose `val` and `test` are no accuracies, as tasks other than classification have."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from lottery.record.opened_run import OpenedRun
from lottery.record.schema import ScoreJson
from lottery.record.score import Score
from tests.helpers.toy_records import toy_record

RMSE = Score("RMSE", higher_is_better=False, is_share=False)
CLASS_COLUMNS = ("val_f1", "val_precision", "val_recall", "f1", "precision", "recall")


def toy_of_score(
    path: Path, score: Score = RMSE, *, tests: Sequence[float], **arguments: Any
) -> OpenedRun:
    """Return a run with a score: its values by round, no classes, the curves in its metric."""
    shares = [0.5] * len(tests)
    run = toy_record(path, tests=shares, **arguments)
    run.run_json["score"] = cast(ScoreJson, asdict(score))
    for record, test in zip(run.records, tests, strict=True):
        row, history = cast(Any, record["row"]), cast(Any, record["history"])
        row.update(val=test, test=test, val_last=test, test_last=test)
        for column in CLASS_COLUMNS:
            del row[column]
        for entry in history:
            accuracy = entry.pop("accuracy")
            entry[score.metric] = accuracy if score.is_share else 10 * accuracy
    return run

"""The curves of a round: loss and score by step, from its record's history."""

from collections.abc import Mapping
from typing import Any

from lottery.record.opened_run import OpenedRun
from lottery.record.score import Score

Curve = tuple[tuple[float, ...], tuple[float, ...]]  # steps, values


def score_of_entry(entry: Mapping[str, Any], score: Score) -> float | None:
    """Return the score of an entry of a history, which has it under the metric's name."""
    value: float | None = entry.get(score.metric)
    return value


def curve(run: OpenedRun, number: int, *, split: str, of_loss: bool) -> Curve:
    """Return the loss or the shown score of one split in a round, by step."""
    steps, values = [], []
    for entry in run.record(number)["history"]:
        value = entry.get("loss") if of_loss else score_of_entry(entry, run.score)
        if entry["split"] == split and value is not None:
            steps.append(float(entry["iteration"]))
            values.append(value if of_loss else run.score.shown(value))
    return tuple(steps), tuple(values)


def scores_at(run: OpenedRun, step: int) -> dict[int, float]:
    """Return the test score at a step by round, of the rounds that were evaluated there.

    Without a test curve the test set was evaluated where the validation loss was lowest, so that
    only the last step was not chosen by results.
    """
    has_curve = run.config.get("evaluation.test_curve") is True
    return {
        record["row"]["round"]: value
        for record in run.records
        for entry in record["history"]
        if entry["split"] == "test" and entry["iteration"] == step
        if has_curve or step == max(other["iteration"] for other in record["history"])
        if (value := score_of_entry(entry, run.score)) is not None
    }

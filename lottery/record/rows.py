"""The rows of results.csv: which round wins, and the table that people read."""

import math
from collections.abc import Mapping, Sequence

from lottery.record.schema import Row
from lottery.record.score import ACCURACY, Score
from lottery.record.text_table import format_percent, text_table


def winning_round(rows: Sequence[Row], score: Score = ACCURACY) -> int | None:
    """Return the winning round by `best_round`; None when no round lost weights.

    Without validation data nothing distinguishes the rounds, so it is the sparsest, the last one.
    """
    val = {row["round"]: row["val"] or 0.0 for row in rows}
    return best_round(val, {row["round"]: row["remaining"] for row in rows}, score)


def has_validation(rows: Sequence[Row]) -> bool:
    """Return whether a run has validation data, which choose ES and rounds."""
    return all(row["val"] is not None for row in rows)


def best_round(
    val: Mapping[int, float], remaining: Mapping[int, float], score: Score = ACCURACY
) -> int | None:
    """Return the pruned round with the best `val`; of equal ones the sparsest.

    Means over seeds can differ in their last bits although the accuracies are equal, so values
    are equal if they agree to nine digits. Test accuracy plays no role.

    Example:
        >>> best_round({0: 0.99, 1: 0.97, 2: 0.98, 3: 0.98}, {0: 1, 1: 0.8, 2: 0.64, 3: 0.51})
        3
    """
    pruned = [number for number in val if number >= 1 and remaining[number] < 1]
    if not pruned:
        return None
    best = (max if score.higher_is_better else min)(val[number] for number in pruned)
    equal = [number for number in pruned if math.isclose(val[number], best)]
    return min(equal or pruned, key=remaining.__getitem__)


def sparsest_within(rows: Sequence[Row], points: float, score: Score = ACCURACY) -> int | None:
    """Return the sparsest round with `val` at most `points` worse than round 0's.

    There must be validation data.

    Points are percentage points of a share, and the unit of `val` of any other score.
    """
    val = {row["round"]: value for row in rows if (value := row["val"]) is not None}
    # the difference of 0.99 and 0.985 is not quite 0.005
    most = (points / 100 if score.is_share else points) + 1e-12
    good = [r for r in rows if r["round"] >= 1 and score.gain(val[0], val[r["round"]]) <= most]
    return min(good, key=lambda row: row["remaining"])["round"] if good else None


def format_table(rows: Sequence[Row], score: Score = ACCURACY) -> str:
    """Return the rows as people read them: shares in percent, with the winning round marked.

    Without validation data no round wins.
    """
    winner = winning_round(rows, score) if has_validation(rows) else None
    scores = (f"{name} {score.unit}".strip() for name in ("val", "test", "test at end"))
    columns = ["round", "remaining %", "ES", *scores, ""]
    lines = []
    for row in rows:
        values = [score.format(row[name]) for name in ("val", "test", "test_last")]
        mark = "winning round" if row["round"] == winner else ""
        remaining = format_percent(row["remaining"])
        lines.append([row["round"], remaining, row["ES"], *values, mark])
    return text_table(columns, lines)

"""The rows of results.csv: which round wins, and the table that people read."""

import math
from collections.abc import Mapping, Sequence

from lottery.record.schema import Row
from lottery.record.text_table import format_percent, text_table


def winning_round(rows: Sequence[Row]) -> int | None:
    """Return the round of the winning ticket by `best_round`; None when no round was pruned.

    Example:
        >>> row = lambda r, remaining, val: {"round": r, "remaining": remaining, "val": val}
        >>> winning_round([row(0, 1.0, 0.99), row(1, 0.8, 0.98), row(2, 0.64, 0.98)])
        2
    """
    val = {row["round"]: row["val"] for row in rows}
    return best_round(val, {row["round"]: row["remaining"] for row in rows})


def best_round(val: Mapping[int, float], remaining: Mapping[int, float]) -> int | None:
    """Return the pruned round with the highest `val`; of equal ones the sparsest.

    Means over seeds can differ in their last bits although the accuracies are equal, so values
    are equal if they agree to nine digits. Test accuracy plays no role.

    Args:
        val: validation accuracy by round, of one run or as mean over seeds.
        remaining: share of weights left, by round.

    Example:
        >>> best_round({0: 0.99, 1: 0.97, 2: 0.98, 3: 0.98}, {0: 1, 1: 0.8, 2: 0.64, 3: 0.51})
        3
    """
    pruned = [number for number in val if number >= 1]
    if not pruned:
        return None
    best = max(val[number] for number in pruned)
    equal = [number for number in pruned if math.isclose(val[number], best)]
    return min(equal or pruned, key=remaining.__getitem__)


def sparsest_within(rows: Sequence[Row], points: float) -> int | None:
    """Return the sparsest round whose `val` is at most `points` below the dense network's.

    Args:
        rows: of the rounds, round 0 among them.
        points: percentage points.

    Returns:
        The round's number; None when no pruned round is as good.

    Example:
        >>> row = lambda r, remaining, val: {"round": r, "remaining": remaining, "val": val}
        >>> sparsest_within([row(0, 1.0, 0.99), row(1, 0.8, 0.986), row(2, 0.64, 0.98)], 0.5)
        1
    """
    (dense,) = (row["val"] for row in rows if row["round"] == 0)
    lowest = dense - points / 100 - 1e-12  # the difference of 0.99 and 0.985 is not quite 0.005
    good = [row for row in rows if row["round"] >= 1 and row["val"] >= lowest]
    return min(good, key=lambda row: row["remaining"])["round"] if good else None


def format_table(rows: Sequence[Row]) -> str:
    """Return the rows as people read them: in percent, with the winning round marked."""
    winner = winning_round(rows)
    columns = ("round", "remaining %", "ES", "val %", "test %", "test at end %", "")
    lines = [
        (
            row["round"],
            format_percent(row["remaining"]),
            row["ES"],
            format_percent(row["val"]),
            format_percent(row["test"]),
            format_percent(row["test_last"]),
            "winning round" if row["round"] == winner else "",
        )
        for row in rows
    ]
    return text_table(columns, lines)

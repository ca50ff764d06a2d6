"""Learning curves of many runs as arrays with the axes network, stage and step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lottery.api.load import Run

SPLITS = ("train", "val", "test")


def histories(runs: Sequence[Run]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the histories of runs as arrays (network, stage, step), for `numpy.savez` or a plot.

    A network is a run, a stage is a round, a step is one at which something was evaluated. NaN
    stands where a run lacks a value that another run has, and where nothing was evaluated. The
    test set is evaluated at few steps, unless `evaluation.test_curve=true`.

    Args:
        runs: one or more, in the order of the first axis.

    Returns:
        `train_loss`, `train_accuracy`, `val_loss`, `val_accuracy`, `test_loss` and `test_accuracy`
        of shape (network, stage, step); `remaining`, the share of weights left, of shape (network,
        stage); and the axes themselves: `seed` (network), `round` (stage), `iteration` (step).
        Runs with another score than accuracy have its name instead, such as `val_RMSE`.

    Raises:
        ValueError: there are no runs, or their scores are different.

    Example:
        arrays = histories(load_runs("outputs/digits-..."))
        numpy.savez("histories.npz", **arrays)
    """
    if not runs:
        raise ValueError("runs: at least one")
    metrics = {run.score.metric for run in runs}
    if len(metrics) > 1:
        raise ValueError(f"runs: with one score expected, not {', '.join(sorted(metrics))}")
    measures = ("loss", *metrics)
    tables, rows = [run.history for run in runs], [run.results for run in runs]
    rounds, steps = _all_of(rows, "round"), _all_of(tables, "iteration")
    shape = len(runs), len(rounds), len(steps)
    names = [f"{split}_{measure}" for split in SPLITS for measure in measures]
    arrays = {name: np.full(shape, np.nan) for name in names}
    arrays["remaining"] = np.full(shape[:2], np.nan)
    for network, (table, row) in enumerate(zip(tables, rows, strict=True)):
        arrays["remaining"][network, np.searchsorted(rounds, row["round"])] = row["remaining"]
        for split, part in table.groupby("split"):
            stage = np.searchsorted(rounds, part["round"])
            step = np.searchsorted(steps, part["iteration"])
            for measure in measures:
                arrays[f"{split}_{measure}"][network, stage, step] = part[measure]
    seeds = np.array([run.config["seed"] for run in runs])
    return {**arrays, "seed": seeds, "round": rounds, "iteration": steps}


def _all_of(tables: Sequence[pd.DataFrame], column: str) -> np.ndarray[Any, Any]:
    """Return the values of a column in any of the tables, ascending, each once."""
    return np.unique(np.concatenate([table[column].to_numpy(int) for table in tables]))

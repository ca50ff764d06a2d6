"""`lottery.compare`: masks and weights of rounds and runs side by side, as DataFrames."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lottery.api.load import Run
from lottery.record.opened_run import open_run

if TYPE_CHECKING:
    from lottery.comparison import Comparison


def compare(*runs: Run | str | Path, rounds: Sequence[int] | None = None) -> "Comparison":
    """Compare runs in pairs at equal rounds; one run alone with itself, round by round.

    Nothing is written, and no network is made.

    Args:
        *runs: one or more runs, or their folders, of networks with the same layers.
        rounds: those to compare; None for all that every run has finished.

    Returns:
        `pairs`, a DataFrame with a row for each pair of networks and each layer; `networks`, one
        with a row for each network and each layer; the layer "all" is all layers together. The
        columns are those of `lottery-compare` (docs/how-to/compare.md). `notes` says why cells are
        empty.

    Raises:
        NoRun: there is no run in a folder.
        ConfigError: there is nothing to compare, or the networks have other layers.
        DamagedFile: a file is not what was written.
        ValueError: there are no runs.

    Example:
        pairs = lottery.compare(trunk, control).pairs
        pairs[pairs["layer"] == "all"].plot(x="first_round", y=["overlap", "overlap_chance"])
    """
    if not runs:
        raise ValueError("runs: at least one")
    from lottery.comparison import compare_runs

    opened = [open_run(run.path if isinstance(run, Run) else run) for run in runs]
    return compare_runs(opened, rounds)

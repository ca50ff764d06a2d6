"""Reading runs: tables as DataFrames, masks and networks as PyTorch's own."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lottery.record.records import read_records, read_run_json
from lottery.record.run_dir import RunDir, runs_below
from lottery.record.schema import COLUMNS, HISTORY_COLUMNS

if TYPE_CHECKING:
    from torch import nn

    from lottery.masks import Masks

LAYER_COLUMNS = ("weights", "remaining", "live_zeros", "flops", "flops_remaining")
WEIGHTS = ("start", "es", "final")


@dataclass(frozen=True)
class Run:
    """A run on disk, finished or not. Tables need no torch; masks and models do."""

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """The canonical config, flat: {"pruning.rate": 0.2, ...}, and the seed."""
        entry = read_run_json(RunDir(self.path))
        return {**entry["config"], "seed": entry["seed"]}

    @property
    def status(self) -> str:
        """running, finished, failed or interrupted; a killed run stays "running"."""
        return str(read_run_json(RunDir(self.path))["status"])

    @property
    def results(self) -> pd.DataFrame:
        """One row per finished round, the columns of results.csv."""
        rows = [record["row"] for record in read_records(RunDir(self.path))]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    @property
    def history(self) -> pd.DataFrame:
        """round, iteration, split, loss, accuracy."""
        records = read_records(RunDir(self.path))
        entries = [entry for record in records for entry in record["history"]]
        return pd.DataFrame(entries, columns=list(HISTORY_COLUMNS))

    @property
    def layers(self) -> pd.DataFrame:
        """round, layer, weights, remaining, live_zeros, flops, flops_remaining."""
        return pd.DataFrame(
            [
                {"round": record["row"]["round"], "layer": name, **counts}
                for record in read_records(RunDir(self.path))
                for name, counts in record["layers"].items()
            ],
            columns=["round", "layer", *LAYER_COLUMNS],
        )

    @property
    def early_bird(self) -> pd.DataFrame:
        """round, iteration, back (1 to 4 evaluations), distance; with `early_bird.epsilon`."""
        return pd.DataFrame(
            [
                {"round": record["row"]["round"], **entry}
                for record in read_records(RunDir(self.path))
                for entry in record.get("early_bird", {}).get("distances", [])
            ],
            columns=["round", "iteration", "back", "distance"],
        )

    def masks(self, round_number: int) -> "Masks":
        """A round's masks by parameter name, True = kept."""
        from lottery.tensors import load_tensors

        return load_tensors(RunDir(self.path).round(round_number).masks)

    def weights(self, round_number: int, weights: str = "es") -> "dict[str, Any]":
        """A round's weights and buffers by name.

        Args:
            round_number: the round.
            weights: "start", "es" or "final".

        Raises:
            ValueError: there are no such weights.
            FileNotFoundError: the round is not there, or `keep=winner` has dropped it.
        """
        if weights not in WEIGHTS:
            raise ValueError(f"weights={weights!r}: one of {', '.join(WEIGHTS)}")
        from lottery.tensors import load_tensors

        return load_tensors(getattr(RunDir(self.path).round(round_number), weights))

    def model(self, round_number: int, weights: str = "es") -> "nn.Module":
        """A round's network, in evaluation mode; over a frozen base, the part that is trained.

        Args:
            round_number: the round.
            weights: "start", "es" or "final".
        """
        from lottery.config.from_run_json import rebuild_network
        from lottery.models.state import State, write_state

        network = rebuild_network(read_run_json(RunDir(self.path)))
        write_state(network, State(self.weights(round_number, weights), buffers={}))
        return network.eval()


def load_run(path: str | Path) -> Run:
    """The run in a folder `.../seed_<n>`.

    Raises:
        FileNotFoundError: there is no run.

    Example:
        load_run("outputs/digits-lenet_300_100-.../seed_0").results
    """
    folder = Path(path)
    if not RunDir(folder).run_json.exists():
        raise FileNotFoundError(f"{folder}: not the folder of a run (no run.json in it)")
    return Run(folder)


def load_runs(path: str | Path) -> list[Run]:
    """Every run below a folder, by path."""
    return [Run(folder) for folder in runs_below(Path(path))]


def load_ticket(path: str | Path, weights: str = "es") -> "nn.Module":
    """The network of a ticket that `lottery-ticket` has taken out: takes images, gives logits.

    Args:
        path: the folder of the run, or of the ticket.
        weights: "es" (at the lowest validation loss), "final", "start" (the ticket itself, before
            training) or "initial" (the dense network before its first step).

    Returns:
        A plain module in evaluation mode; over a frozen base a Sequential of `base` and `head`.

    Raises:
        FileNotFoundError: there is no ticket.
        DamagedFile: one of its files is not what was written.
        ValueError: there are no such weights.

    Example:
        load_ticket("outputs/digits-lenet_300_100-.../seed_0")(images).argmax(1)
    """
    from lottery.ticket.ticket import open_ticket

    return open_ticket(path).network(weights)

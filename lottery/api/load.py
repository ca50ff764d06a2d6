"""Reading runs: tables as DataFrames, masks and networks as PyTorch's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lottery.record.opened_run import OpenedRun, open_run
from lottery.record.run_dir import RunDir, runs_below
from lottery.record.schema import DYNAMIC_COLUMNS, Record
from lottery.record.score import Score
from lottery.record.tables import history_columns, results_columns

if TYPE_CHECKING:
    from torch import nn

    from lottery.masks import Masks

LAYER_COLUMNS = ("weights", "remaining", "live_zeros", "flops", "flops_remaining")
STORED_WEIGHTS = ("start", "es", "final")


@dataclass(frozen=True)
class Run:
    """A run on disk, finished or not. Tables need no torch; masks and models do.

    Its tables are read once; call `load_run` again to see rounds that were finished later.
    """

    path: Path

    @property
    def config(self) -> dict[str, Any]:
        """The canonical config, flat: {"pruning.rate": 0.2, ...}, and the seed."""
        run_json = self._opened.run_json
        return {**run_json["config"], "seed": run_json["seed"]}

    @property
    def status(self) -> str:
        """running, finished, failed or interrupted; a killed run stays "running"."""
        return str(self._opened.run_json["status"])

    @property
    def score(self) -> Score:
        """What the columns `val` and `test` measure, and which direction is better."""
        return self._opened.score

    @property
    def results(self) -> pd.DataFrame:
        """One row per finished round, with the columns of results.csv."""
        rows = self._opened.rows
        return pd.DataFrame(rows, columns=results_columns(rows))

    @property
    def history(self) -> pd.DataFrame:
        """round, iteration, split, loss, and the score by its name, such as accuracy."""
        entries = [entry for record in self._opened.records for entry in record["history"]]
        return pd.DataFrame(entries, columns=history_columns(self.score, entries))

    @property
    def layers(self) -> pd.DataFrame:
        """round, layer, weights, remaining, live_zeros, flops, flops_remaining."""
        rows = [
            {"round": number, "layer": name, **counts}
            for number, record in self._by_round()
            for name, counts in record["layers"].items()
        ]
        return pd.DataFrame(rows, columns=["round", "layer", *LAYER_COLUMNS])

    @property
    def early_bird(self) -> pd.DataFrame:
        """round, iteration, back (1 to 4 evaluations), distance; with `early_bird.epsilon`."""
        rows = [
            {"round": number, **entry}
            for number, record in self._by_round()
            for entry in record.get("early_bird", {}).get("distances", [])
        ]
        return pd.DataFrame(rows, columns=["round", "iteration", "back", "distance"])

    @property
    def dynamic(self) -> pd.DataFrame:
        """round, step, layer, dropped, grown, remaining; of rounds whose masks move."""
        rows = [move for record in self._opened.records for move in record.get("dynamic", [])]
        return pd.DataFrame(rows, columns=DYNAMIC_COLUMNS)

    def masks(self, round_number: int) -> "Masks":
        """Return a round's masks by parameter name, True = kept.

        They are those at its end, if they move while it trains.
        """
        from lottery.tensors import load_of_run

        return load_of_run(self._opened, RunDir(self.path).round(round_number).masks)

    def weights(self, round_number: int, weights: str = "es") -> "dict[str, Any]":
        """Return a round's weights and buffers by name.

        Args:
            round_number: the round.
            weights: "start", "es" or "final".

        Raises:
            ValueError: there are no such weights.
            FileNotFoundError: the round is missing, or `keep=winner` has dropped it.
        """
        if weights not in STORED_WEIGHTS:
            raise ValueError(f"weights={weights!r}: one of {', '.join(STORED_WEIGHTS)}")
        from lottery.tensors import load_of_run

        return load_of_run(self._opened, getattr(RunDir(self.path).round(round_number), weights))

    def model(
        self, round_number: int, weights: str = "es", *, trust_code: bool = False
    ) -> "nn.Module":
        """Return a round's network in evaluation mode; over a frozen base, its trained part.

        Args:
            round_number: the round.
            weights: "start", "es" or "final".
            trust_code: make the network even if its class is neither lottery's nor torch's. Its
                module is then imported, which runs what is in it.

        Raises:
            ConfigError: the class is neither lottery's nor torch's, and is not trusted.
        """
        from lottery.config.from_run_json import rebuild_network
        from lottery.models.state import State, write_state

        network = rebuild_network(self._opened, trust_code=trust_code)
        write_state(network, State(self.weights(round_number, weights), buffers={}))
        return network.eval()

    @cached_property
    def _opened(self) -> OpenedRun:
        return OpenedRun(RunDir(self.path))

    def _by_round(self) -> Iterator[tuple[int, Record]]:
        for record in self._opened.records:
            yield record["row"]["round"], record


def load_run(path: str | Path) -> Run:
    """Return the run in a folder `.../seed_<n>`.

    Raises:
        FileNotFoundError: there is no run.

    Example:
        load_run("outputs/digits-lenet_300_100-.../seed_0").results
    """
    return Run(open_run(path).path)


def load_runs(path: str | Path) -> list[Run]:
    """Return every run below a folder, by path."""
    return [Run(folder) for folder in runs_below(Path(path))]


def load_ticket(path: str | Path, weights: str = "es", *, trust_code: bool = False) -> "nn.Module":
    """Return the network of a ticket that `lottery-ticket` has taken out.

    It takes images and gives logits.

    Args:
        path: the folder of the run, or of the ticket.
        weights: "es" (at the lowest validation loss), "final", "start" (the ticket itself, before
            training) or "initial" (the dense network before its first step).
        trust_code: make the network even if its class is neither lottery's nor torch's. Its
            module is then imported, which runs what is in it.

    Returns:
        A plain module in evaluation mode; over a frozen base a Sequential of `base` and `head`.

    Raises:
        FileNotFoundError: there is no ticket.
        DamagedFile: one of its files is not what was written.
        ConfigError: the class is neither lottery's nor torch's, and is not trusted.
        ValueError: there are no such weights.

    Example:
        load_ticket("outputs/digits-lenet_300_100-.../seed_0")(images).argmax(1)
    """
    from lottery.ticket.ticket import open_ticket

    return open_ticket(path, trust_code=trust_code).network(weights)

"""What all kinds of loggers do: one for each round, one over the rounds, results at the end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pytorch_lightning.loggers import Logger

from lottery.record.logged import Logged
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.record.schema import Record
from lottery.record.score import Score

ROUNDS = "rounds"  # the name of the logger's run over the rounds
Point = Mapping[str, float]
MakeLogger = Callable[..., Logger]  # of a round's name; further arguments replace the config's


class RunLogger(Protocol):
    """One of a run's loggers, as the user named it."""

    keeps_files: ClassVar[bool]  # whether it has artifacts

    def begin(self, facts: "Facts") -> Logger:
        """Return a logger for a round, rid of what an earlier attempt at it has logged."""
        ...

    def summarise(self, run: OpenedRun) -> None:
        """Log the finished rounds, each once."""
        ...

    def keep_results(self, run: OpenedRun) -> None:
        """Log files of a finished run as artifacts, if this kind of logger has any."""
        ...


def name_of(number: int) -> str:
    """Return the text that replaces `{round}`."""
    return f"round_{number:02d}"


@dataclass(frozen=True)
class Facts:
    """What a round is before it is trained."""

    number: int
    remaining: float  # share of the prunable weights

    @property
    def name(self) -> str:
        """The text that replaces `{round}`."""
        return name_of(self.number)

    @property
    def values(self) -> dict[str, float]:
        """Its hyperparameters."""
        return {"round": self.number, "remaining": self.remaining}


@dataclass(frozen=True, kw_only=True)
class Configured:
    """A logger as the config has it, and the run that it belongs to."""

    name: str  # in the config group `logger`
    make: MakeLogger
    run_dir: RunDir
    outputs: Path  # the folder of all runs
    settings: Mapping[str, Any]  # the canonical config and the seed
    score: Score
    one_per_round: bool  # whether `{round}` is in its arguments
    log_model: bool  # Lightning's name for: weights are artifacts, too

    @property
    def logged(self) -> Logged:
        """What was logged so far, and the id of the run."""
        return Logged(self.run_dir)

    def points(self, run: OpenedRun) -> dict[int, Point]:
        """Return what the run over the rounds shows, by finished round."""
        numbers = run.finished_rounds
        return {number: point_of(run.record(number), self.score) for number in numbers}

    def results(self, run: OpenedRun) -> list[Path]:
        """Return the files that are artifacts: the report, and with `log_model` the ticket."""
        files = [run.path / "report.html"]
        if self.log_model and run.winning_round is not None:
            ticket = run.folder.round(run.winning_round)
            files += [ticket.masks, ticket.start]
        return [file for file in files if file.exists()]


def point_of(record: Record, score: Score) -> dict[str, float]:
    """Return a finished round as one point: score, ES and what remains in all and by layer."""
    row = record["row"]
    values: dict[str, float | None] = {
        f"{score.metric}/val": row["val"],
        f"{score.metric}/test": row["test"],
        "ES": row["ES"],
        "live_zeros": row["live_zeros"],
        "remaining/all": row["remaining"],
    }
    for name, counts in record["layers"].items():
        values[f"remaining/{name}"] = counts["remaining"] / counts["weights"]
    # val is None without validation data
    return {name: value for name, value in values.items() if value is not None}

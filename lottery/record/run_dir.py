"""The files of a run: every name once, writes that are whole or not there."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lottery.errors import LotteryError


class DamagedFile(LotteryError):
    """A file of a run is not what was written; the message names it and says what to do."""


@dataclass(frozen=True)
class RoundDir:
    """The files of one round, `RUN/rounds/NN/`."""

    path: Path

    @property
    def masks(self) -> Path:
        """Masks, 1 = kept, by parameter name."""
        return self.path / "masks.safetensors"

    @property
    def start(self) -> Path:
        """Weights and buffers the round starts from, under its mask."""
        return self.path / "start.safetensors"

    @property
    def es(self) -> Path:
        """Weights and buffers at the lowest validation loss."""
        return self.path / "es.safetensors"

    @property
    def final(self) -> Path:
        """Weights and buffers after the last step."""
        return self.path / "final.safetensors"

    @property
    def final_optimizer(self) -> Path:
        """Optimizer state after the last step; only where a later round carries it on."""
        return self.path / "final_optimizer.safetensors"

    @property
    def rewind(self) -> Path:
        """Round 0's weights and buffers at the rewind point k > 0."""
        return self.path / "rewind.safetensors"

    @property
    def rewind_optimizer(self) -> Path:
        """Round 0's optimizer state at the rewind point k > 0."""
        return self.path / "rewind_optimizer.safetensors"

    @property
    def rewind_generators(self) -> Path:
        """States of the random generators in round 0 at the rewind point k > 0."""
        return self.path / "rewind_generators.safetensors"

    @property
    def checkpoint(self) -> Path:
        """Where the running round is; gone when the round is finished."""
        return self.path / "checkpoint.pt"

    @property
    def record(self) -> Path:
        """Everything measured in the round. Written last: the round is finished when it exists."""
        return self.path / "round.json"

    @property
    def finished(self) -> bool:
        """Whether the round needs no more work."""
        return self.record.exists()


@dataclass(frozen=True)
class RunDir:
    """The files of one run, `<setting>-<key>/seed_<n>/`."""

    path: Path

    @property
    def run_json(self) -> Path:
        """Canonical config, key, digests, versions, machine, status."""
        return self.path / "run.json"

    @property
    def results_csv(self) -> Path:
        """One row per finished round."""
        return self.path / "results.csv"

    @property
    def results_json(self) -> Path:
        """The rows with counts per layer and the checks made."""
        return self.path / "results.json"

    @property
    def timing_csv(self) -> Path:
        """What depends on the machine, one row per finished round."""
        return self.path / "timing.csv"

    @property
    def history_csv(self) -> Path:
        """Loss and accuracy along the rounds, tidy."""
        return self.path / "history.csv"

    @property
    def ticket(self) -> "TicketDir":
        """The ticket that was taken out of one round."""
        return TicketDir(self.path / "ticket")

    @property
    def stability(self) -> "StabilityDir":
        """The folder of the stability analysis."""
        return StabilityDir(self.path / "stability")

    def round(self, number: int) -> RoundDir:
        """The folder of one round."""
        return RoundDir(self.path / "rounds" / f"{number:02d}")

    def remove_leftovers(self) -> None:
        """Remove what processes that were killed in the middle of a write have left."""
        for folder in (self.path, *self.path.glob("rounds/*")):
            for left in folder.glob(".*.part"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()

    def finished_rounds(self) -> list[int]:
        """Numbers of the finished rounds, ascending."""
        records = self.path.glob("rounds/*/round.json")
        names = [record.parent.name for record in records]
        return sorted(int(name) for name in names if name.isdigit())  # a copy is no round


@dataclass(frozen=True)
class TicketDir:
    """The files of a ticket, `RUN/ticket/` or wherever it has been taken."""

    path: Path

    @property
    def ticket_json(self) -> Path:
        """Network, round, metrics, settings, and the sha256 of every tensor file."""
        return self.path / "ticket.json"

    @property
    def hybrid_json(self) -> Path:
        """What forests on the features of its layers are worth."""
        return self.path / "hybrid.json"

    def tensors(self, name: str) -> Path:
        """One of its tensor files: initial, start, es, final, masks, or base."""
        return self.path / f"{name}.safetensors"

    def export(self, weights: str, form: str) -> Path:
        """Weights in another form."""
        return self.path / "exports" / f"{weights}_{form}.safetensors"


def runs_below(folder: Path) -> list[Path]:
    """The folders of all runs in or below a folder, by path."""
    found = []
    for path, folders, files in os.walk(folder):
        folders.sort()
        if "run.json" in files:
            folders.clear()  # a run holds no other run, and many files
            found.append(Path(path))
    return found


@dataclass(frozen=True)
class StabilityDir:
    """The files of a run's stability analysis, `RUN/stability/`."""

    path: Path

    @property
    def points_csv(self) -> Path:
        """Loss and error along every line, tidy."""
        return self.path / "points.csv"

    @property
    def pairs_csv(self) -> Path:
        """Barrier and distances of every pair of copies."""
        return self.path / "pairs.csv"

    @property
    def summary_csv(self) -> Path:
        """Instability by round and step, over the pairs."""
        return self.path / "summary.csv"

    @property
    def untrained_csv(self) -> Path:
        """Accuracy of start weights, masked and dense."""
        return self.path / "untrained.csv"

    def training(self, step: int, name: str) -> RunDir:
        """Where a training that belongs to step k keeps its rounds: a copy, or the way to k."""
        return RunDir(self.path / f"step_{step}" / name)

    def pair(self, round_number: int, step: int, number: int) -> Path:
        """What was measured of a pair of copies."""
        return self.path / f"step_{step}" / f"pair_{number}" / f"round_{round_number:02d}.json"

    def untrained(self, round_number: int) -> Path:
        """What was measured of a round's start."""
        return self.path / "untrained" / f"round_{round_number:02d}.json"

    def pair_files(self) -> list[Path]:
        """The measurements of all pairs there are, in no order."""
        return list(self.path.glob("step_*/pair_*/round_*.json"))

    def untrained_files(self) -> list[Path]:
        """The measurements of all starts there are, by round."""
        return sorted(self.path.glob("untrained/round_*.json"))

    def remove_leftovers(self) -> None:
        """Remove what processes that were killed in the middle of a write have left."""
        for file in self.path.rglob(".*.part"):
            file.unlink()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file aside and rename it over `path`, so that a reader never sees half of it.

    Yields:
        The path to write to. After an exception `path` is as it was.

    Raises:
        OSError: naming `path`, which errors of a full disk do not do by themselves.
    """
    aside = path.with_name(f".{path.name}.part")  # one writer: the run is locked
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        _sync(aside)  # on disk before the name points to it
        aside.replace(path)
        _sync(path.parent)  # and the name, before anybody relies on it
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(aside)):
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        with suppress(OSError):  # a folder that has become read-only
            aside.unlink(missing_ok=True)


@contextmanager
def creating_folder(path: Path) -> Iterator[Path]:
    """Fill a new folder aside and give it its name at the end: it is whole or not there.

    Yields:
        The folder to write to.

    Raises:
        OSError: a folder with something in it has the name already, say.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")  # others may write the same
    try:
        aside.mkdir(parents=True)
        yield aside
        _sync(aside)
        aside.rename(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Replace a text file, whole or not at all."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def to_json(value: Any) -> str:
    """The text of a JSON file; NaN is refused because JSON has none."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file, whole or not at all."""
    write_text(path, to_json(value))


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))

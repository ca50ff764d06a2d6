"""The files of a run: every name once."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


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
        """State of the running round; removed when the round is finished."""
        return self.path / "checkpoint.pt"

    @property
    def record(self) -> Path:
        """Everything measured in the round. Written last: the round is finished when it exists."""
        return self.path / "round.json"

    @property
    def finished(self) -> bool:
        """Whether the round is finished."""
        return self.record.exists()


@dataclass(frozen=True)
class RunDir:
    """The files of one run, `<setting>-<key>/seed_<n>/`."""

    path: Path

    @property
    def run_json(self) -> Path:
        """Canonical config, key, digests, versions, machine and status."""
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
        """Times and memory, which depend on the machine, one row per finished round."""
        return self.path / "timing.csv"

    @property
    def history_csv(self) -> Path:
        """Loss and accuracy along the rounds, tidy."""
        return self.path / "history.csv"

    @property
    def ticket(self) -> "TicketDir":
        """The folder of the ticket that was taken out of one round."""
        return TicketDir(self.path / "ticket")

    @property
    def stability(self) -> "StabilityDir":
        """The folder of the stability analysis."""
        return StabilityDir(self.path / "stability")

    def round(self, number: int) -> RoundDir:
        """The folder of one round."""
        return RoundDir(self.path / "rounds" / f"{number:02d}")

    def remove_leftovers(self) -> None:
        """Remove half-written files of processes that were killed."""
        for folder in (self.path, *self.path.glob("rounds/*")):
            for left in folder.glob(".*.part"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()

    def finished_rounds(self) -> list[int]:
        """Numbers of the finished rounds, ascending."""
        records = self.path.glob("rounds/*/round.json")
        names = [record.parent.name for record in records]
        return sorted(int(name) for name in names if name.isdigit())  # not a folder's copy


@dataclass(frozen=True)
class TicketDir:
    """The files of a ticket, `RUN/ticket/` or a copy of it elsewhere."""

    path: Path

    @property
    def ticket_json(self) -> Path:
        """Network, round, metrics, settings, and the sha256 of every tensor file."""
        return self.path / "ticket.json"

    @property
    def hybrid_json(self) -> Path:
        """Results of forests on the features of its layers."""
        return self.path / "hybrid.json"

    def tensors(self, name: str) -> Path:
        """One of its tensor files: initial, start, es, final, masks, or base."""
        return self.path / f"{name}.safetensors"

    def export(self, weights: str, form: str) -> Path:
        """The file of weights in another form."""
        return self.path / "exports" / f"{weights}_{form}.safetensors"


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
        """The folder of a training that belongs to step k: a copy, or the training up to k."""
        return RunDir(self.path / f"step_{step}" / name)

    def pair(self, round_number: int, step: int, number: int) -> Path:
        """The measurements of a pair of copies."""
        return self.path / f"step_{step}" / f"pair_{number}" / f"round_{round_number:02d}.json"

    def untrained(self, round_number: int) -> Path:
        """The measurements of a round's start."""
        return self.path / "untrained" / f"round_{round_number:02d}.json"

    def pair_files(self) -> list[Path]:
        """The measurements of all pairs, in no order."""
        return list(self.path.glob("step_*/pair_*/round_*.json"))

    def untrained_files(self) -> list[Path]:
        """The measurements of all starts, by round."""
        return sorted(self.path.glob("untrained/round_*.json"))

    def remove_leftovers(self) -> None:
        """Remove half-written files of processes that were killed."""
        for file in self.path.rglob(".*.part"):
            file.unlink()


def runs_below(folder: Path) -> list[Path]:
    """Return the folders of all runs in or below a folder, by path."""
    found = []
    for path, folders, files in os.walk(folder):
        folders.sort()
        if "run.json" in files:
            folders.clear()  # a run holds no other run, and many files
            found.append(Path(path))
    return found

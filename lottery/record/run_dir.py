"""The files of a run: every name once."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

# Files and folders that are renamed when they are whole; the last are safetensors' own.
HALF_WRITTEN = (".*.part", ".part", ".tmp??????")


class File:
    """A file of a folder: `RoundDir(path).masks` is `path / "masks.safetensors"`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(
        self, folder: "RoundDir | TicketDir | StabilityDir | CompareDir | RunDir", kind: type
    ) -> Path:
        return folder.path / self.name


@dataclass(frozen=True)
class RoundDir:
    """The files of one round, `RUN/rounds/NN/`."""

    path: Path

    masks = File("masks.safetensors")  # 1 = kept, by parameter name
    # Weights and buffers ...
    # ... as the round began, where they have moved since
    start_masks = File("start_masks.safetensors")
    start = File("start.safetensors")  # that the round starts from, under its mask
    es = File("es.safetensors")  # at the lowest validation loss
    final = File("final.safetensors")  # after the last step
    rewind = File("rewind.safetensors")  # of round 0 at the rewind point k > 0
    # What else a later round goes on with
    final_optimizer = File("final_optimizer.safetensors")  # the optimizer's state at the end
    rewind_optimizer = File("rewind_optimizer.safetensors")  # the optimizer's state at k
    rewind_generators = File("rewind_generators.safetensors")  # the random generators' states at k

    checkpoint = File("checkpoint.pt")  # of the running round; removed when it is finished
    # Everything measured. It is written last: the round is finished when it exists.
    record = File("round.json")
    links_json = File("links.json")  # of a round whose record an older version wrote

    @property
    def finished(self) -> bool:
        """Whether the round is finished."""
        return self.record.exists()


@dataclass(frozen=True)
class TicketDir:
    """The files of a ticket, `RUN/ticket/` or a copy of it elsewhere."""

    path: Path

    ticket_json = File("ticket.json")  # network, round, metrics, settings, sha256 of every file
    hybrid_json = File("hybrid.json")  # results of forests on the features of its layers

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

    points_csv = File("points.csv")  # loss and error along every line, tidy
    pairs_csv = File("pairs.csv")  # barrier and distances of every pair of copies
    summary_csv = File("summary.csv")  # instability by round and step, over the pairs
    untrained_csv = File("untrained.csv")  # accuracy of start weights, masked and dense

    # The same for lines between the ends of rounds, of one run or of two
    lines_csv = File("lines.csv")
    line_points_csv = File("line_points.csv")

    def line(self, number: int, other: str, other_round: int, align: str) -> Path:
        """The measurements of a line from a round of the run to one of `other`, or of its own."""
        rounds = f"round_{number:02d}_{other_round:02d}"
        name = f"{rounds}.json" if align == "none" else f"{rounds}_{align}.json"
        return self.path / "lines" / (other or "rounds") / name

    def line_files(self) -> list[Path]:
        """The measurements of all lines, by other run and round."""
        return sorted(self.path.glob("lines/*/round_*.json"))

    def training(self, step: int, name: str) -> "RunDir":
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
        for pattern in HALF_WRITTEN:
            for file in self.path.rglob(pattern):
                file.unlink()


@dataclass(frozen=True)
class CompareDir:
    """The files of one comparison, `RUN/compare/<digest>/`; its figures stand beside them."""

    path: Path

    pairs_csv = File("compare.csv")  # each pair of networks, by layer
    networks_csv = File("networks.csv")  # each network, by layer
    compare_json = File("compare.json")  # what was compared


@dataclass(frozen=True)
class RunDir:
    """The files of one run, `<setting>-<key>/seed_<n>/`."""

    path: Path

    run_json = File("run.json")  # canonical config, key, digests, versions, machine, status
    # One row per finished round
    results_csv = File("results.csv")
    results_json = File("results.json")  # with counts per layer and the checks
    timing_csv = File("timing.csv")  # what depends on the machine
    history_csv = File("history.csv")  # loss and accuracy along the rounds, tidy
    dynamic_csv = File("dynamic.csv")  # every update of masks that move; only with dynamic=
    logged_json = File("logged.json")  # its id where it is logged, and what was logged

    @property
    def ticket(self) -> TicketDir:
        """The folder of the ticket that was taken out of one round."""
        return TicketDir(self.path / "ticket")

    @property
    def stability(self) -> StabilityDir:
        """The folder of the stability analysis."""
        return StabilityDir(self.path / "stability")

    @property
    def comparisons(self) -> Path:
        """The folder of the comparisons of which this is the first run."""
        return self.path / "compare"

    def comparison_folders(self) -> list[CompareDir]:
        """The comparisons in it, by name; a half-written one has a dot before its name."""
        return [CompareDir(p) for p in sorted(self.comparisons.glob("[!.]*")) if p.is_dir()]

    def round(self, number: int) -> RoundDir:
        """The folder of one round."""
        return RoundDir(self.path / "rounds" / f"{number:02d}")

    def remove_leftovers(self) -> None:
        """Remove half-written files of processes that were killed, and checkpoints of no use."""
        within = ("", "rounds/*/", "figures/", "tensorboard/", ".hydra/")
        for pattern in [f"{folder}{name}" for folder in within for name in HALF_WRITTEN]:
            for left in self.path.glob(pattern):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        for number in self.finished_rounds():
            self.round(number).checkpoint.unlink(missing_ok=True)

    def finished_rounds(self) -> list[int]:
        """Numbers of the finished rounds, ascending."""
        records = self.path.glob("rounds/*/round.json")
        names = [record.parent.name for record in records]
        numbers = {int(name) for name in names if name.isascii() and name.isdigit()}
        return sorted(n for n in numbers if self.round(n).path.name in names)  # no folder's copy


def runs_below(folder: Path) -> list[Path]:
    """Return the folders of all runs in or below a folder, by path."""
    found = []
    for path, folders, files in os.walk(folder):
        folders.sort()
        if "run.json" in files:
            folders.clear()  # a run holds no other run, and many files
            found.append(Path(path))
    return found

"""A run on disk as one command sees it: each file is read at most once, or is a DamagedFile."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lottery.errors import NoRun
from lottery.nearest import did_you_mean
from lottery.record.files import damaged
from lottery.record.links import check_chain, check_run, digest_of_run
from lottery.record.records import read_record, read_run_json
from lottery.record.rows import winning_round
from lottery.record.run_dir import RunDir
from lottery.record.schema import Record, Row, RunJson
from lottery.record.score import ACCURACY, Score, score_of


@dataclass(frozen=True)
class OpenedRun:
    """A run, finished or not; open it again to see what was written later."""

    folder: RunDir
    _records: dict[int, Record] = field(default_factory=dict, init=False, repr=False)

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.folder.path

    @cached_property
    def run_json(self) -> RunJson:
        """The content of run.json."""
        return read_run_json(self.folder)

    @cached_property
    def _run_digest(self) -> str:
        return digest_of_run(self.run_json)

    @property
    def name(self) -> str:
        """The name of its setting's folder; files of other runs are named by it."""
        name = str(self.run_json.get("name", self.path.parent.name))
        if name in ("", "..") or name != Path(name).name:  # a path, which could lead anywhere
            raise damaged(self.folder.run_json, f"the name {name!r} is no folder's", "restore it")
        return name

    @property
    def seed(self) -> int:
        """Its seed."""
        return self.run_json["seed"]

    @property
    def config(self) -> dict[str, Any]:
        """Its canonical config, without the seed."""
        return self.run_json["config"]

    @property
    def score(self) -> Score:
        """What its `val` and `test` measure; accuracy where there is no run.json."""
        return score_of(self.run_json) if self.folder.run_json.exists() else ACCURACY

    @cached_property
    def finished_rounds(self) -> list[int]:
        """Numbers of the finished rounds, ascending."""
        return self.folder.finished_rounds()

    def record(self, number: int) -> Record:
        """Return the record of a finished round."""
        if number not in self._records:
            record = read_record(self.folder.round(number))
            if self.folder.run_json.exists():
                check_run(self.folder, record, self._run_digest, self.run_json["digests"])
            self._records[number] = record
        return self._records[number]

    @cached_property
    def records(self) -> list[Record]:
        """The records of all finished rounds, by round; each fits the one before it."""
        records = {number: self.record(number) for number in self.finished_rounds}
        check_chain(self.folder, records)
        return list(records.values())

    @property
    def unlinked_rounds(self) -> list[int]:
        """Rounds of older versions, whose files nothing ties to the run."""
        return [record["row"]["round"] for record in self.records if "links" not in record]

    def masks_moved(self, number: int) -> bool:
        """Return whether masks of a round have moved while it trained: its start has others."""
        return bool(self.record(number).get("dynamic"))

    def training_made_masks(self, number: int) -> bool:
        """Return whether masks of a round came out of its own training: moved, or learned."""
        return self.masks_moved(number) or "frozen_differing" in self.record(number)["checks"]

    def digest_of(self, file: Path) -> str | None:
        """Return what the digest of a round's tensors must be; None if nothing states it."""
        number = int(file.parent.name)
        links = self.record(number).get("links") if number in self.finished_rounds else None
        if links and file.name not in links["files"] and file.exists():
            raise damaged(file, f"the record of round {number} does not name it", "remove it")
        return links["files"].get(file.name) if links else None

    @property
    def rows(self) -> list[Row]:
        """The rows of all finished rounds, by round."""
        return [record["row"] for record in self.records]

    def values(self, column: str) -> dict[int, float]:
        """Return a column of results.csv or timing.csv by round, without its empty cells."""
        found = {}
        for record in self.records:
            value: Any = record["row"].get(column, record["timing"].get(column))
            if value is not None and value == value:  # NaN is not
                found[int(record["row"]["round"])] = value
        return found

    @property
    def winning_round(self) -> int | None:
        """The winning round so far; None if no round was pruned."""
        return winning_round(self.rows, self.score)


def open_run(path: str | Path) -> OpenedRun:
    """Open the run in a folder `.../seed_<n>`; raise NoRun if there is none."""
    folder = RunDir(Path(path))
    if not folder.run_json.exists():
        raise NoRun(
            f"{path}: not the folder of a run (no run.json in it){suggest_run(folder.path)}"
        )
    return OpenedRun(folder)


def suggest_run(path: Path) -> str:
    """Return "; did you mean ...?" with a run below the path, or a folder of its name."""
    below = sorted(found.parent for found in path.glob("seed_*/run.json"))
    if below:
        return f"; did you mean {below[0]}?"
    beside = (found.name for found in path.parent.glob("*/") if not path.exists())
    near = did_you_mean(path.name, beside, prefix=f"{path.parent}/")
    return f"; {near}" if near else ""

"""Read the forests on features that `lottery-ticket --features` has fitted for a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lottery.record.files import DamagedFile, read_json
from lottery.record.run_dir import RunDir
from lottery.report.read.runs import RunRecord


@dataclass(frozen=True)
class RunForests:
    """The content of a run's `ticket/hybrid.json`."""

    run: RunRecord
    forests: tuple[dict[str, Any], ...] = ()  # one entry per round and layer
    compared: tuple[dict[str, Any], ...] = ()  # results of other programs

    @property
    def name(self) -> str:
        """How the report names the run."""
        return f"{self.run.name}, seed {self.run.seed}"


def read_forests(run: RunRecord) -> RunForests:
    """Return a run's forests; none if it has no hybrid.json.

    Raises:
        DamagedFile: hybrid.json is not what was written.
    """
    path = RunDir(run.path).ticket.hybrid_json
    if not path.exists():
        return RunForests(run)
    try:
        content = read_json(path, "remove it and run lottery-ticket --features again")
        return RunForests(run, tuple(content["forests"]), tuple(content["compared"]))
    except (KeyError, TypeError) as error:
        message = f"{path}: damaged; remove it and run lottery-ticket --features again"
        raise DamagedFile(message) from error


def read_all_forests(runs: Sequence[RunRecord]) -> tuple[list[RunForests], list[str]]:
    """Return the forests of those runs that have some, and one line per unreadable file."""
    found, problems = [], []
    for run in runs:
        try:
            forests = read_forests(run)
        except DamagedFile as error:
            problems.append(f"left out: {error}")
        else:
            found += [forests] if forests.forests else []
    return found, problems

"""Read the forests on features that `lottery-ticket --features` has fitted for a run."""

from dataclasses import dataclass
from typing import Any

from lottery.record.files import DamagedFile, read_json
from lottery.record.opened_run import OpenedRun


@dataclass(frozen=True)
class RunForests:
    """The content of a run's `ticket/hybrid.json`."""

    run: OpenedRun
    forests: tuple[dict[str, Any], ...] = ()  # one entry per round and layer
    compared: tuple[dict[str, Any], ...] = ()  # results of other programs

    @property
    def title(self) -> str:
        """The heading of its table and its sentences."""
        return f"Forests on features of {self.run.name}, seed {self.run.seed}"


def read_forests(run: OpenedRun) -> RunForests:
    """Return a run's forests; none if it has no hybrid.json."""
    path = run.folder.ticket.hybrid_json
    if not path.exists():
        return RunForests(run)
    try:
        content = read_json(path, "remove it and run lottery-ticket --features again")
        return RunForests(run, tuple(content["forests"]), tuple(content["compared"]))
    except (KeyError, TypeError) as error:
        message = f"{path}: damaged; remove it and run lottery-ticket --features again"
        raise DamagedFile(message) from error

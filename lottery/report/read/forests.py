"""Read the forests on features that `lottery-ticket --features` has fitted for a run."""

from dataclasses import dataclass
from typing import Any, TypedDict

from lottery.record.files import damaged
from lottery.record.opened_run import OpenedRun
from lottery.record.typed import read_typed
from lottery.report.read.checks import MOST, Bounds, check_numbers

REPAIR = "remove it and run lottery-ticket --features again"


class MeasuredForest(TypedDict):
    """What a forest reaches on features of one layer, and its cost."""

    val: float
    test: float
    f1: float
    flops: float
    flops_forest: float


class ForestEntry(TypedDict):
    """The forests on the features of one layer, of the pruned and of the dense network."""

    round: int
    layer: str
    num_test: int
    commonest: float
    pruned_before: bool
    equal: bool
    pruned: MeasuredForest
    dense: MeasuredForest | None


class OtherProgram(TypedDict):
    """What another program's model reaches, as `--compare` has read it."""

    name: str
    file: str
    test: float
    f1: float | None
    flops: float | None


class HybridJson(TypedDict):
    """The content of hybrid.json, as far as the report shows it."""

    forests: list[ForestEntry]
    compared: list[OtherProgram]


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
    try:
        content: Any = read_typed(path, HybridJson, REPAIR)
    except FileNotFoundError:
        return RunForests(run)
    flops = {row["round"]: row["flops"] for row in run.rows}
    bounds: list[Bounds] = []
    for number, entry in enumerate(content["forests"]):
        where = f"forests[{number}]"
        if not flops.get(entry["round"]) or not flops.get(0):
            fault = f"{where}: round {entry['round']} or round 0 of the run is missing"
            raise damaged(path, fault, REPAIR)
        if entry["pruned_before"] and not entry["dense"]:
            raise damaged(path, f"{where}: dense is null", REPAIR)
        bounds.append((f"{where}.num_test", entry["num_test"], 1, MOST))
        bounds.append((f"{where}.commonest", entry["commonest"], 0, 1))
        for kind in filter(entry.get, ("pruned", "dense")):
            bounds += [
                (f"{where}.{kind}.{n}", entry[kind][n], 0, 1) for n in ("val", "test", "f1")
            ]
            bounds.append((f"{where}.{kind}.flops", entry[kind]["flops"], 1, MOST))
    for number, entry in enumerate(content["compared"]):
        bounds.append((f"compared[{number}].test", entry["test"], 0, 1))
        bounds.append((f"compared[{number}].flops", entry["flops"], 1e-9, MOST))
    check_numbers(bounds, path, REPAIR)
    return RunForests(run, tuple(content["forests"]), tuple(content["compared"]))

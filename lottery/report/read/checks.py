"""Check the numbers that a report computes with; `record` has checked their types."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from lottery.record.equivalent_reinits import plainest_reinit
from lottery.record.files import damaged
from lottery.record.opened_run import OpenedRun
from lottery.record.records import REPAIR_RUN_JSON
from lottery.record.schema import Record
from lottery.record.score import Score
from lottery.record.typed import parse
from lottery.report.read.curves import score_of_entry

MOST = 2**63
SHARES = ("remaining", "val_f1", "f1", "precision", "recall")
SCORES = ("val", "test", "val_last", "test_last")
COUNTS = ("ES", "params_remaining", "flops", "flops_remaining")
COSTS = ("train_flops", "train_flops_total", "dense_trainings")
MOST_FLOPS = 1e30

Bounds = tuple[str, Any, float, float]  # name, value or None, lowest, highest

# The values that labels and sentences compute with, by key
ConfigValues = TypedDict(
    "ConfigValues",
    {
        "dataset.limit": NotRequired[int | None],
        "dataset.subsample": NotRequired[float | None],
        "dataset.random_labels": NotRequired[float | None],
        "pruning.units": NotRequired[str | None],
        "optimizer.lr": NotRequired[float | str | None],
    },
)


def check_run(run: OpenedRun) -> None:
    """Raise DamagedFile if a report cannot compute with run.json or a record."""
    path = run.folder.run_json
    parse({**run.config}, ConfigValues, path, REPAIR_RUN_JSON)
    try:
        plainest_reinit(run.config)
    except (TypeError, ValueError) as error:
        raise damaged(path, f"config: a duration is wrong: {error}", REPAIR_RUN_JSON) from error
    for record in run.records:
        number = record["row"]["round"]
        repair = f"remove it to do round {number} again"
        check_numbers(_bounds(record, run.score), run.folder.round(number).record, repair)


def _bounds(record: Record, score: Score) -> list[Bounds]:
    row: dict[str, Any] = {**record["row"]}
    low, high = (0, 1) if score.is_share else (-MOST, MOST)
    found: list[Bounds] = [(f"row.{name}", row.get(name), 0, 1) for name in SHARES]
    found += [(f"row.{name}", row.get(name), low, high) for name in SCORES]
    found += [(f"row.{name}", row.get(name), 0, MOST) for name in COUNTS]
    found += [(f"row.{name}", row.get(name), 0, MOST_FLOPS) for name in COSTS]
    found.append(("row.params", row.get("params"), 1, MOST))
    found += [(f"timing.{name}", value, 0, MOST) for name, value in record["timing"].items()]
    for name, counts in record["layers"].items():
        found.append((f"layers.{name}.weights", counts["weights"], 1, MOST))
        found.append((f"layers.{name}.remaining", counts["remaining"], 0, counts["weights"]))
    for number, entry in enumerate(record["history"]):
        where, value = f"history[{number}]", score_of_entry(entry, score)
        found.append((f"{where}.iteration", entry["iteration"], 0, MOST))
        found.append((f"{where}.{score.metric}", value, low, high))
    return found


def check_numbers(bounds: list[Bounds], path: Path, repair: str) -> None:
    """Raise DamagedFile for the first number that is there and out of its bounds."""
    for name, value, low, high in bounds:
        if value is not None and not low <= value <= high:
            raise damaged(path, f"{name} is {value:g}, {low:g} to {high:g} expected", repair)

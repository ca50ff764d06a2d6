"""What differs between two runs that must be equal: tables, records, tensors, files."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

TABLES = ("results.csv", "history.csv", "results.json")
EQUAL_IN_RECORD = ("row", "layers", "checks", "history")
EQUAL_IN_RUN_JSON = ("name", "key", "seed", "status", "rounds", "config", "digests")
OF_REPORT = ("report.html", "report.md", "figures")


def only_run(folder: Path) -> Path:
    """Return the folder of the run."""
    return next(folder.glob("outputs/*/seed_0"), folder)


def differences(whole: Path, run: Path) -> Iterator[str]:
    """Compare a run with an undisturbed one: tables, records, tensors, the names of all files."""
    names, there = names_of(whole), names_of(run)
    for name in sorted(there - names):
        yield f"left over: {name}"
    for name in sorted(names - there):
        if name.partition("/")[0] not in OF_REPORT:  # a report is a picture that may be missing
            yield f"missing: {name}"
    for name in sorted(names & there):
        if name in TABLES or name.endswith(".safetensors"):
            equal = (whole / name).read_bytes() == (run / name).read_bytes()
        elif name.endswith("round.json"):
            equal = same_entries(whole / name, run / name, EQUAL_IN_RECORD)
        elif name == "run.json":
            equal = same_entries(whole / name, run / name, EQUAL_IN_RUN_JSON)
        else:
            continue
        if not equal:
            yield f"differs: {name}"


def names_of(run: Path) -> set[str]:
    """Return the names of all files and folders; TensorBoard's have the time in them."""
    names = {str(path.relative_to(run)) for path in run.rglob("*")}
    return {re.sub(r"tfevents\..*", "tfevents", name) for name in names}


def same_entries(one: Path, other: Path, names: tuple[str, ...]) -> bool:
    """Compare some entries of two JSON files."""
    first, second = (json.loads(path.read_text()) for path in (one, other))
    return all(first[name] == second[name] for name in names)

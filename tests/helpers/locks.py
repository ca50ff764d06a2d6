"""Read the owner of a run's folder, or write one that another host would have left."""

import json
import os
import time
from pathlib import Path

from lottery.runs.run_lock import locked


def owner_of(folder: Path) -> dict[str, object]:
    entry: dict[str, object] = json.loads((folder / ".owner.json").read_text())
    return entry


def left_by(folder: Path, age: float, **owner: object) -> Path:
    """Write the file of an owner on another host with a last sign of life `age` seconds ago."""
    file = folder / ".owner.json"
    file.write_text(json.dumps({"host": "elsewhere", "process": 17, "job": None} | owner))
    then = time.time() - age
    os.utime(file, (then, then))
    return file


def assert_free(folder: Path, *, wait: bool = False) -> None:
    with locked(folder, wait=wait):
        assert owner_of(folder)["process"] == os.getpid()

"""The owner of a folder as its file names it, or as another host would have left it."""

import json
import os
import time
from pathlib import Path

from lottery.runs.run_lock import locked


def owner_of(folder: Path) -> dict[str, object]:
    entry: dict[str, object] = json.loads((folder / ".owner.json").read_text())
    return entry


def left_by(folder: Path, age: float, **owner: object) -> Path:
    """The file of an owner on another host, whose last sign of life is so old."""
    file = folder / ".owner.json"
    file.write_text(json.dumps({"host": "elsewhere", "process": 17, "job": None} | owner))
    then = time.time() - age
    os.utime(file, (then, then))
    return file


def assert_free(folder: Path) -> None:
    with locked(folder, wait=False):
        assert owner_of(folder)["process"] == os.getpid()

"""How long commands take to answer, and a run to its first step."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from pytorch_lightning import Callback

SCRIPTS = Path(__file__).resolve().parents[1]
COMMANDS = (
    ("lottery", "--help"),
    ("lottery", "--cfg", "job"),
    ("lottery", "rounds=none"),  # a mistake
    ("lottery-report", "--help"),
    ("lottery-ticket", "--help"),
)
QUICK_COMMANDS = COMMANDS[-1:]


class FirstStep(Callback):
    """Notes when the first training step begins.

    Args:
        path: the file to write.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_train_batch_start(self, *_: Any) -> None:
        """The time, once."""
        if not self.path.exists():
            self.path.write_text(str(time.time()))


def time_startup(commands: Sequence[Sequence[str]], repeat: int) -> list[dict[str, Any]]:
    """One row per command: seconds."""
    rows = [(" ".join(command), lambda c=command: _seconds(*c)) for command in commands]
    rows.append(("lottery, to its first step", _to_first_step))
    return [{"start-up": name, "s": median(work() for _ in range(repeat))} for name, work in rows]


def _seconds(command: str, *arguments: str) -> float:
    begun = time.perf_counter()
    _run(command, *arguments)
    return time.perf_counter() - begun


def _to_first_step() -> float:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "first_step"
        callback = f"+callbacks.first={{_target_: benchmarks.startup.FirstStep, path: {file}}}"
        begun = time.time()
        _run("lottery", "rounds=0", "iterations=1", f"output_dir={folder}", callback)
        return float(file.read_text()) - begun


def _run(command: str, *arguments: str) -> None:
    path = Path(sys.executable).with_name(command)
    subprocess.run([path, *arguments], capture_output=True, check=False, cwd=SCRIPTS)

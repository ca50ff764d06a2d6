"""A figure of a paper as one sweep: what it costs beyond the training loops in it."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import process_time
from typing import Any

import torch

from .rounds import bare_round
from .settings import Setting, data_of, experiment

Row = dict[str, Any]

ARMS = ("criterion=magnitude,random", "reinit=rewind,random")
NUM_ARMS = 4


@dataclass(frozen=True)
class Figure:
    """Four arms over some seeds.

    Args:
        setting: of every run.
        seeds: number of seeds.
        rounds: prunings of a run.
    """

    setting: Setting
    seeds: int = 3
    rounds: int = 8


FIGURES = {
    "LeNet-300-100, digits, 1,000 steps": Figure(Setting((), "", 1000, 100)),
    "LeNet-300-100, MNIST, 1,000 steps": Figure(Setting((), "mnist", 1000, 100)),
}
QUICK_FIGURES = {"quick": Figure(Setting((), "", 20, 10), seeds=1, rounds=0)}


def time_figures(figures: dict[str, Figure], repeat: int) -> list[Row]:
    """One row per figure: CPU seconds of the bare loops of all its rounds, and of the sweep."""
    return [_time(name, figure, repeat) for name, figure in figures.items()]


def _time(name: str, figure: Figure, repeat: int) -> Row:
    jobs = NUM_ARMS * figure.seeds
    shown = jobs * (figure.rounds + 1)
    before = _bare_seconds(figure.setting, repeat)
    sweep = _sweep_seconds(figure)
    lean = (before + _bare_seconds(figure.setting, repeat)) / 2
    return {
        "figure": name,
        "rounds": shown,
        "of them trained": shown - (jobs - figure.seeds),  # one dense round for each seed
        "bare loops s": lean * shown,
        "sweep s": sweep,
        "ratio": sweep / (lean * shown),
    }


def _bare_seconds(setting: Setting, repeat: int) -> float:
    """CPU seconds of one round's loop; other programs on the machine take no part in it."""
    with experiment(setting) as prepared:
        masks = {
            name: torch.ones(shape, dtype=torch.bool) for name, shape in prepared.shapes.items()
        }
        bare_round(prepared, masks)  # the first time everything is slower
        begun = process_time()
        for _ in range(repeat):
            bare_round(prepared, masks)
        return (process_time() - begun) / repeat


def _sweep_seconds(figure: Figure) -> float:
    """CPU seconds of the command, from its start to the report at its end."""
    setting = figure.setting
    overrides = [
        *data_of(setting),
        *setting.overrides,
        *ARMS,
        f"seed=range({figure.seeds})",
        f"rounds={figure.rounds}",
        f"iterations={setting.steps}",
        f"evaluation.every={setting.every}",
    ]
    scripts = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(scripts), str(scripts.parent)])
    begun = getrusage(RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "lottery", "-m", *overrides, f"output_dir={folder}"],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": paths},
        )
    ended = getrusage(RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime

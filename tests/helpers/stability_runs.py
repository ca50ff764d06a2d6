"""A toy run and its analysis, for tests of copies."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from lottery.imp import Imp, round_start
from lottery.masks import Masks
from lottery.models.state import Start
from lottery.progress import Progress
from lottery.record.run_dir import RunDir
from lottery.reinit import Reinit
from lottery.stability import Analysis, Target
from lottery.stability.copies import Trainings
from lottery.training import LightningFit
from lottery.training.schedules import StepDrops
from tests.helpers.toy_runs import run_toy, toy_fit

DROPS = StepDrops(at=(4, 9, 14), factor=0.5)  # the last one behind the end, for Finetune


def toy_run(
    path: Path, reinit: Reinit | None = None, network: nn.Module | None = None, **fit: Any
) -> tuple[Imp, LightningFit]:
    training = replace(toy_fit(network, schedule=DROPS, **fit), run_dir=RunDir(path))
    imp, _ = run_toy(path, training, reinit=reinit, rounds=(0, 1))
    return imp, training


def start_of(imp: Imp, number: int) -> tuple[Start, Masks]:
    stored = imp.storage.masks(number)
    masks = {name: stored[name] for name in imp.pruning.prunable}
    return round_start(imp, number, masks), masks


def trainings_of(imp: Imp, fit: LightningFit) -> Trainings:
    folder = imp.run_dir.stability
    return Trainings(fit, folder, imp.storage.buffers, Progress(unit="training"))


def analysis_of(imp: Imp, fit: LightningFit, **changes: Any) -> Analysis:
    numbers, step = changes.pop("rounds", (0, 1)), changes.pop("step", 0)
    targets = [Target(number, step, *start_of(imp, number)) for number in numbers]
    return Analysis(
        *(fit, imp.run_dir.stability, imp.storage.buffers, targets),
        **{"pairs": 1, "points": 3, "progress": Progress(unit="training"), **changes},
    )

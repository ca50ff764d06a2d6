"""Toy runs on disk, as the command leaves them, with numbers that a test chooses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lottery.record.opened_run import OpenedRun
from lottery.record.records import read_record, write_record, write_run_json
from lottery.record.run_dir import RunDir
from lottery.record.schema import COLUMNS, Record, RunJson
from lottery.record.tables import write_tables
from lottery.report.read.runs import read_run

CONFIG: dict[str, Any] = {
    "criterion._target_": "lottery.pruning.Magnitude",
    "dataset._target_": "lottery.data.Digits",
    "dataset.batch_size": 60,
    "iterations": 300,
    "model._target_": "lottery.models.LeNet300100",
    "model.rates": [[["output*", "0.5x"]]],
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.lr": 0.0012,
    "pruning.rate": 0.2,
    "reinit._target_": "lottery.reinit.Rewind",
    "reinit.optimizer_state": "fresh",
    "reinit.to": 0,
    "scope._target_": "lottery.pruning.Layerwise",
    "seeds.pruning": None,
}
TRUNK = "digits-lenet_300_100-magnitude-0.2-layerwise-rewind-11111111"
LAYERS = {"fc1.weight": 1000, "output.weight": 100}


def _without(config: dict[str, Any], *prefixes: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith(prefixes)}


# The config of a run that copies the trunk's masks has no pruning of its own.
COPIED = _without(CONFIG, "pruning.", "scope.") | {
    "criterion._target_": "lottery.pruning.CopiedPruner",
    "criterion.run": TRUNK,
    "criterion.shuffle": "none",
}
REINIT = {"reinit._target_": "lottery.reinit.Random", "reinit.draw": 0}
RANDOM_REINIT = _without(COPIED, "reinit.") | REINIT
RANDOM_TICKET = COPIED | {"criterion.shuffle": "layerwise"}
RANDOM_PRUNING = CONFIG | {"criterion._target_": "lottery.pruning.Random"}
RIGL = {
    "dynamic._target_": "lottery.dynamic.Rigl",
    "dynamic.every": 100,
    "dynamic.end": 0.75,
    "dynamic.fraction": 0.3,
}
STATIC = {"dynamic._target_": "lottery.dynamic.Static", "dynamic.end": 0.75}
GMP = {
    "dynamic._target_": "lottery.dynamic.Gmp",
    "dynamic.every": 100,
    "dynamic.begin": 0,
    "dynamic.end": 0.75,
}
ACDC = {"dynamic._target_": "lottery.dynamic.AcDc", "dynamic.phase": 0.05}
CHAINED = _without(CONFIG, "reinit.") | REINIT


def record(number: int, *, test: float, val: float, remaining: float) -> Record:
    """Return the record of a round; its other values follow from the arguments."""
    known = {
        "round": number,
        "remaining": remaining,
        "ES": 100 + 10 * number,
        "val": val,
        "test": test,
        "f1": test - 0.003,
        "val_f1": val - 0.003,
        "test_last": test - 0.001,
        "params": 1200,
        "params_remaining": 100 + round(1100 * remaining),
        "flops": 2200,
        "flops_remaining": round(2200 * remaining),
        "steps": 300,
        "train_flops": 3 * 300 * 60 * round(2200 * remaining),
        "train_flops_total": 3 * 300 * 60 * 2200 * (number + 1),
        "dense_trainings": number + 1,
    }
    history = [
        {"round": number, "iteration": step, "split": split, "loss": loss, "accuracy": 1 - loss}
        for step in (100, 200, 300)
        for split, loss in (("train", 10 / step / (number + 2)), ("val", 20 / step))
    ]
    return {
        "row": {column: known.get(column, 0) for column in COLUMNS},
        "layers": {
            name: {
                "weights": size,
                "remaining": round(size * remaining),
                "live_zeros": 0,
                "flops": 2 * size,
                "flops_remaining": 2 * round(size * remaining),
            }
            for name, size in LAYERS.items()
        },
        "checks": {"pruned_max": 0.0, "empty_layers": [], "initial_digest": "ab" * 32},
        "history": history,
        "timing": {
            "round": number,
            "train_seconds": 1.5,
            "steps_per_second": 200.0,
            "inference_ms": 0.002 + 1e-4 * number,
            "inference_csr_ms": None,
            "peak_memory_mb": None,
        },
    }


def write_run(
    path: Path,
    *,
    tests: Sequence[float] = (0.95, 0.96, 0.94),
    vals: Sequence[float] | None = None,
    rate: float = 0.2,
    canonical: dict[str, Any] | None = None,
    status: str = "finished",
    message: str = "",
    asked: int | None = None,
) -> Path:
    """Write a run into `.../<setting>/seed_<n>`.

    Args:
        path: its folder, `seed_<n>`.
        tests: test accuracy by round.
        vals: validation accuracy by round; as `tests` if None.
        rate: share of the weights pruned in a round.
        canonical: its config.
        status: in run.json.
        message: in run.json.
        asked: how many rounds the command asked for; as many as `tests` if None.
    """
    run_dir = RunDir(path)
    entry: RunJson = {
        "name": path.parent.name,
        "key": path.parent.name.rpartition("-")[2],
        "seed": int(path.name.removeprefix("seed_")),
        "status": status,
        "message": message,
        "digests": {},
        "machine": {},
        "config": canonical or CONFIG,
        "rounds": list(range(asked or len(tests))),
        "input_shape": [1, 8, 8],
        "num_classes": 10,
        "versions": {},
        "git_commit": None,
    }
    write_run_json(run_dir, entry)
    for number, (test, val) in enumerate(zip(tests, vals or tests, strict=True)):
        write_record(run_dir, record(number, test=test, val=val, remaining=(1 - rate) ** number))
    write_tables(OpenedRun(run_dir))
    return path


def rewrite_record(path: Path, entry: Record) -> None:
    """Write the record of a round again, and the later ones, which name its digest."""
    run = RunDir(path)
    write_record(run, entry)
    for number in run.finished_rounds():
        if number > entry["row"]["round"]:
            write_record(run, read_record(run.round(number)))


def toy_record(path: Path, **arguments: Any) -> OpenedRun:
    """Write a run and return it as the report reads it."""
    return read_run(write_run(path, **arguments))


def write_controls(outputs: Path, seeds: Sequence[int] = (0, 1, 2)) -> list[Path]:
    """Write a trunk and its three controls: the ticket gains accuracy, the controls lose some."""
    settings = {
        TRUNK: (CONFIG, 0.004),
        TRUNK.replace("magnitude", "random"): (RANDOM_PRUNING, -0.03),
        "digits-lenet_300_100-copy-none-none-random-22222222": (RANDOM_REINIT, -0.01),
        "digits-lenet_300_100-copy-none-none-rewind-33333333": (RANDOM_TICKET, -0.02),
    }
    return [
        write_run(
            outputs / name / f"seed_{seed}",
            tests=[0.95 + 0.001 * seed + slope * number for number in range(4)],
            canonical=canonical,
        )
        for name, (canonical, slope) in settings.items()
        for seed in seeds
    ]

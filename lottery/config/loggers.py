"""`logger` and `callbacks`: any of Lightning's or a user's own, made again for every round."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyLogger

from lottery.config.instantiate import make
from lottery.config.targets import Node, check_call
from lottery.distributed import is_main
from lottery.record.run_dir import RunDir

Nodes = Mapping[str, Node]


def build_logger_maker(nodes: Nodes, run_dir: RunDir) -> Callable[[int], list[Logger]]:
    """Return a function from the round to its loggers."""
    make_all = _build_maker(nodes, "logger", run_dir)

    def make_loggers(round_number: int) -> list[Logger]:
        if not is_main():  # callbacks may ask for a logger on every rank
            return [DummyLogger() for _ in nodes]
        loggers: list[Logger] = make_all(round_number)
        for logger in loggers:
            _remove_leftovers(logger, run_dir, _round_name(round_number))
        return loggers

    return make_loggers


def build_callback_maker(nodes: Nodes, run_dir: RunDir) -> Callable[[int], list[pl.Callback]]:
    """Return a function from the round to the user's callbacks."""
    return _build_maker(nodes, "callbacks", run_dir)


def uses_tensorboard(nodes: Nodes) -> bool:
    """Tell whether one of the loggers is Lightning's TensorBoardLogger."""
    return any(str(node.get("_target_")).endswith(".TensorBoardLogger") for node in nodes.values())


def _build_maker(nodes: Nodes, group: str, run_dir: RunDir) -> Callable[[int], list[Any]]:
    for name, node in nodes.items():
        check_call(node, f"{group}.{name}")
    path = run_dir.path
    texts = {"{run_dir}": str(path), "{run}": f"{path.parent.name}-{path.name}"}

    def make_all(round_number: int) -> list[Any]:
        filled = _fill(nodes, texts | {"{round}": _round_name(round_number)})
        return [make(node, f"{group}.{name}") for name, node in filled.items()]

    return make_all


def _round_name(round_number: int) -> str:
    return f"round_{round_number:02d}"


def _fill(value: Any, texts: Mapping[str, str]) -> Any:
    """Replace `{run_dir}`, `{round}` and `{run}` in all texts of a node."""
    if isinstance(value, Mapping):
        return {name: _fill(item, texts) for name, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, texts) for item in value]
    if isinstance(value, str):
        for name, text in texts.items():
            value = value.replace(name, text)
    return value


def _remove_leftovers(logger: Logger, run_dir: RunDir, round_name: str) -> None:
    """Remove what an interrupted attempt at the round has logged: the round starts again.

    Only a folder of the run that is named after the round is removed: others may hold anything.
    """
    log_dir = getattr(logger, "log_dir", None)
    if log_dir is None:
        return
    folder, own = Path(log_dir).resolve(), run_dir.path.resolve()
    of_this_round = folder.name == round_name and own in folder.parents
    if of_this_round and own / "rounds" not in folder.parents:
        shutil.rmtree(folder, ignore_errors=True)

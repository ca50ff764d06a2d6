"""`logger` and `callbacks`: any of Lightning's or a user's own, new for every round."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyLogger

from lottery.config.instantiate import check_call, make
from lottery.distributed import is_main
from lottery.errors import ConfigError
from lottery.record.run_dir import RunDir


def build_logger_maker(group: Mapping[str, Any], run_dir: RunDir) -> Callable[[int], list[Logger]]:
    """A function from the round to its loggers.

    Raises:
        ConfigError: a `_target_` is wrong or does not take its arguments.
    """
    _check(group, "logger")

    def make_loggers(round_number: int) -> list[Logger]:
        if not is_main():  # callbacks may ask for a logger on every rank
            return [DummyLogger() for _ in group]
        loggers: list[Logger] = _make_all(group, "logger", run_dir, round_number)
        for logger in loggers:
            _remove_leftovers(logger, run_dir, _round_name(round_number))
        return loggers

    return make_loggers


def build_callback_maker(
    group: Mapping[str, Any], run_dir: RunDir
) -> Callable[[int], list[pl.Callback]]:
    """A function from the round to further callbacks.

    Raises:
        ConfigError: a `_target_` is wrong or does not take its arguments.
    """
    _check(group, "callbacks")
    return lambda round_number: _make_all(group, "callbacks", run_dir, round_number)


def uses_tensorboard(group: Mapping[str, Any]) -> bool:
    """Whether one of the loggers is Lightning's TensorBoardLogger."""
    return any(str(node["_target_"]).endswith(".TensorBoardLogger") for node in group.values())


def _check(group: Mapping[str, Any], key: str) -> None:
    for name, node in group.items():
        if not isinstance(node, Mapping):
            raise ConfigError(f"{key}.{name}={node}: a _target_ and its arguments")
        check_call(node, f"{key}.{name}")


def _make_all(group: Mapping[str, Any], key: str, run_dir: RunDir, round_number: int) -> list[Any]:
    names = {"{run_dir}": str(run_dir.path), "{round}": _round_name(round_number)}
    names["{run}"] = f"{run_dir.path.parent.name}-{run_dir.path.name}"
    return [
        make({arg: _fill(value, names) for arg, value in node.items()}, f"{key}.{name}")
        for name, node in group.items()
    ]


def _round_name(round_number: int) -> str:
    return f"round_{round_number:02d}"


def _fill(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(name, text)
    return value


def _remove_leftovers(logger: Logger, run_dir: RunDir, round_name: str) -> None:
    """Remove what an interrupted attempt at the round has logged: the round begins anew.

    Only a folder of the run that is named after the round: others may hold anything.
    """
    log_dir = getattr(logger, "log_dir", None)
    if log_dir is None:
        return
    folder, own = Path(log_dir).resolve(), run_dir.path.resolve()
    of_this_round = folder.name == round_name and own in folder.parents
    if of_this_round and own / "rounds" not in folder.parents:
        shutil.rmtree(folder, ignore_errors=True)

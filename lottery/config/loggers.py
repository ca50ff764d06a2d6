"""`logger` and `callbacks`: any of Lightning's or a user's own, made again for every round."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from lottery.config.instantiate import make
from lottery.config.settings import Settings
from lottery.config.targets import Node, check_call, load_target
from lottery.errors import ConfigError
from lottery.record.logged import Logged
from lottery.record.run_dir import RunDir
from lottery.record.score import Score
from lottery.training.loggers import (
    Configured,
    MlflowRuns,
    PlainLogger,
    RunLogger,
    RunLoggers,
    TensorBoardRuns,
    WandbRuns,
    name_of,
)

Nodes = Mapping[str, Node]
# Those of Lightning's loggers that are more than its interface, the user's subclasses too
KINDS: dict[type[Logger], Callable[[Configured], RunLogger]] = {
    TensorBoardLogger: TensorBoardRuns,
    WandbLogger: WandbRuns,
    MLFlowLogger: MlflowRuns,
}
# What a plain install has not, by extra. MLflow's database is made with sqlalchemy.
EXTRAS = {WandbLogger: ("wandb", ["wandb"]), MLFlowLogger: ("mlflow", ["mlflow", "sqlalchemy"])}


def build_loggers(
    nodes: Nodes, run_dir: RunDir, *, outputs: Path, settings: Mapping[str, Any], score: Score
) -> RunLoggers:
    """Return the loggers of a run, which show its settings; none is made yet."""
    by_name = {}
    for name, node in nodes.items():
        check_call(node, f"logger.{name}")
        configured = _configure(
            node, name, run_dir, outputs=outputs, settings=settings, score=score
        )
        by_name[name] = _kind_of(node, name)(configured)
    return RunLoggers(by_name)


def build_callback_maker(
    settings: Settings, run_dir: RunDir
) -> Callable[[int], list[pl.Callback]]:
    """Return a function from the round to the user's callbacks."""
    nodes, outputs = settings.callbacks, Path(settings.output_dir).absolute()
    for name, node in nodes.items():
        check_call(node, f"callbacks.{name}")

    def make_all(round_number: int) -> list[pl.Callback]:
        filled = _fill(nodes, _texts(run_dir, outputs, name_of(round_number)))
        return [make(node, f"callbacks.{name}") for name, node in filled.items()]

    return make_all


def _kind_of(node: Node, name: str) -> Callable[[Configured], RunLogger]:
    """Return which of our classes drives a logger; its package must be there."""
    target = load_target(node, f"logger.{name}")
    bases = target.__mro__ if isinstance(target, type) else ()
    for base, (extra, packages) in EXTRAS.items():
        missing = [package for package in packages if find_spec(package) is None]
        if base in bases and missing:
            raise ConfigError(
                f"logger.{name}: needs the package {missing[0]}: pip install 'lottery[{extra}]'"
            )
    return next((kind for base, kind in KINDS.items() if base in bases), PlainLogger)


def _configure(
    node: Node,
    name: str,
    run_dir: RunDir,
    *,
    outputs: Path,
    settings: Mapping[str, Any],
    score: Score,
) -> Configured:
    node = {**_defaults(node), **node}
    words = str(node)

    def make_logger(round_name: str, **changes: Any) -> Logger:
        texts = _texts(run_dir, outputs, round_name)
        if "{id}" in words:
            texts["{id}"] = Logged(run_dir).id_of(round_name)
        logger: Logger = make({**_fill(node, texts), **changes}, f"logger.{name}")
        return logger

    return Configured(
        name=name,
        make=make_logger,
        run_dir=run_dir,
        outputs=outputs,
        settings=settings,
        score=score,
        one_per_round="{round}" in words,
        log_model=bool(node.get("log_model")),
    )


def _defaults(node: Node) -> dict[str, Any]:
    """Return arguments of a logger that the user has left out."""
    if load_target(node, "logger") is WandbLogger and "version" not in node:
        return {"id": "{id}", "resume": None, "group": "{run}", "name": "{round} {run}"}
    if load_target(node, "logger") is MLFlowLogger:
        here = str(node.get("tracking_uri")).startswith("sqlite:")
        location = {"artifact_location": "{output_dir}/mlruns"} if here else {}
        return {"run_name": "{round} {run}", **location}
    return {}


def _texts(run_dir: RunDir, outputs: Path, round_name: str) -> dict[str, str]:
    """Return what replaces the texts in braces."""
    path = run_dir.path
    return {
        "{output_dir}": str(outputs),
        "{run_dir}": str(path),
        "{run}": f"{path.parent.name}-{path.name}",
        "{round}": round_name,
    }


def _fill(value: Any, texts: Mapping[str, str]) -> Any:
    """Replace the texts in braces in all texts of a node."""
    if isinstance(value, Mapping):
        return {name: _fill(item, texts) for name, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, texts) for item in value]
    if isinstance(value, str):
        for name, text in texts.items():
            value = value.replace(name, text)
    return value

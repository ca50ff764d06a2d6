"""A report that leaves the run's folder with a logger must need no other file."""

from typing import Any, cast

import pytest

from lottery.training.loggers.mlflow_runs import MlflowRuns
from lottery.training.loggers.plain import PlainLogger
from lottery.training.loggers.run_loggers import RunLoggers
from lottery.training.loggers.tensorboard_runs import TensorBoardRuns
from lottery.training.loggers.wandb_runs import WandbRuns


@pytest.mark.parametrize(
    ("kinds", "kept"),
    [
        ((), False),
        ((PlainLogger, TensorBoardRuns), False),
        ((TensorBoardRuns, WandbRuns), True),
        ((MlflowRuns,), True),
    ],
)
def test_loggers_with_artifacts_keep_files(kinds: tuple[Any, ...], kept: bool) -> None:
    loggers = {kind.__name__: kind(cast(Any, None)) for kind in kinds}
    assert RunLoggers(loggers).keep_files == kept

"""Loggers of a run: each round has its own, begun and ended with it; one more shows all rounds."""

from lottery.training.loggers.kinds import Configured as Configured
from lottery.training.loggers.kinds import RunLogger as RunLogger
from lottery.training.loggers.kinds import name_of as name_of
from lottery.training.loggers.mlflow_runs import MlflowRuns as MlflowRuns
from lottery.training.loggers.plain import PlainLogger as PlainLogger
from lottery.training.loggers.run_loggers import RunLoggers as RunLoggers
from lottery.training.loggers.tensorboard_runs import TensorBoardRuns as TensorBoardRuns
from lottery.training.loggers.wandb_runs import WandbRuns as WandbRuns

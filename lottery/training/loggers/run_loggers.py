"""All loggers of a run, used by its main process alone."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyLogger

from lottery.distributed import is_main
from lottery.errors import LotteryError
from lottery.masks import Masks
from lottery.record.files import DamagedFile
from lottery.record.opened_run import OpenedRun
from lottery.training.loggers.kinds import Facts, RunLogger
from lottery.training.loggers.wandb_runs import ending_runs

log = logging.getLogger(__name__)


class LoggerFailed(LotteryError):
    """A logger cannot log: it is not logged in, its server does not answer, its disk is full."""


@dataclass(frozen=True)
class RunLoggers:
    """The loggers of a run by their names in the config."""

    by_name: Mapping[str, RunLogger]

    @property
    def keep_files(self) -> bool:
        """Whether the report leaves the run's folder: it must need no other file then."""
        return any(logger.keeps_files for logger in self.by_name.values())

    @contextmanager
    def round(self, number: int, masks: Masks) -> Iterator[list[Logger]]:
        """Yield the loggers of a round, which end with it."""
        if not is_main():  # callbacks may ask for a logger on every rank
            yield [DummyLogger() for _ in self.by_name]
            return
        kept = sum(int(mask.sum()) for mask in masks.values())
        facts = Facts(number, kept / sum(mask.numel() for mask in masks.values()))
        with ending_runs():
            loggers = []
            for name, logger in self.by_name.items():
                with _errors_of(name):
                    loggers.append(logger.begin(facts))
            yield loggers

    def summarise(self, run: OpenedRun) -> None:
        """Log the finished rounds in each logger's run over the rounds."""
        for name, logger in self.by_name.items():
            with _errors_of(name):
                logger.summarise(run)

    def keep_results(self, run: OpenedRun) -> None:
        """Log a finished run's report as an artifact; the run does not fail if this fails."""
        for name, logger in self.by_name.items():
            try:
                with _errors_of(name):
                    logger.keep_results(run)
            except LotteryError as error:
                log.warning("no artifact: %s", error)


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    """Name the logger in what it or its package raises."""
    try:
        yield
    except DamagedFile:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk; those of a network have no number
        lines = str(error).splitlines() or [type(error).__name__]
        raise LoggerFailed(f"logger.{name}: {lines[0]}") from error

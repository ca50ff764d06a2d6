"""Weights & Biases: a run for each round, ended with it, and one over the rounds.

`wandb` is imported by Lightning when a logger is first used, and by nobody before.
"""

import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pytorch_lightning.loggers import Logger, WandbLogger

from lottery.record.opened_run import OpenedRun
from lottery.training.loggers.kinds import ROUNDS, Configured, Facts

log = logging.getLogger(__name__)


def active_run() -> Any:
    """Return the run that `wandb.init` has begun in this process, or None."""
    return getattr(sys.modules.get("wandb"), "run", None)


@contextmanager
def ending_runs() -> Iterator[None]:
    """End a run that begins in here: Lightning's next logger would go on with it.

    A run that was there before, such as one of a notebook, goes on.
    """
    before, exit_code = active_run(), 1
    try:
        yield
        exit_code = 0
    finally:
        run = active_run()
        if run is not None and run is not before:
            run.finish(exit_code=exit_code)


@dataclass(frozen=True)
class WandbRuns:
    """Lightning's WandbLogger.

    Offline, a run of W&B is a folder. Online, a run that begins again under its id replaces the
    earlier one, unless `resume` is set.
    """

    own: Configured
    keeps_files: ClassVar[bool] = True

    def begin(self, facts: Facts) -> Logger:
        """Begin the run of a round, without what an earlier attempt has left on this machine."""
        logger = self._begin(facts.name)
        logger.log_hyperparams({**self.own.settings, **facts.values})
        return logger

    def summarise(self, run: OpenedRun) -> None:
        """Write the run over the rounds again, with all of them."""
        if self.own.logged.rounds_of(self.own.name) != run.finished_rounds:
            self._write(run, [])

    def keep_results(self, run: OpenedRun) -> None:
        """Write the run over the rounds a last time, with files as an artifact."""
        if files := self.own.results(run):
            self._write(run, files)

    def _begin(self, round_name: str) -> WandbLogger:
        logger = self.own.make(round_name)
        assert isinstance(logger, WandbLogger)
        if logger.save_dir and logger.version == self.own.logged.id_of(round_name):
            for left in Path(logger.save_dir, "wandb").glob(f"offline-run-*-{logger.version}"):
                shutil.rmtree(left, ignore_errors=True)
        _ = logger.experiment  # begins it
        return logger

    def _write(self, run: OpenedRun, files: Sequence[Path]) -> None:
        points, known = self.own.points(run), self.own.logged.rounds_of(self.own.name)
        is_users = active_run() is not None  # and has the rounds of before
        with ending_runs():
            logger = self._begin(ROUNDS)
            logger.log_hyperparams(dict(self.own.settings))
            if not is_users:
                for names in (f"{self.own.score.metric}/*", "remaining/*"):
                    logger.experiment.define_metric(names, step_metric="remaining/all")
            for number, point in points.items():
                if not (is_users and number in known):
                    logger.log_metrics(dict(point), step=number)
            if files:
                self._log_artifact(logger, files)
                if not logger.experiment.offline:  # offline, W&B warns of the question
                    log.info("logger.%s: %s", self.own.name, logger.experiment.url)
        self.own.logged.note_rounds(self.own.name, points)

    def _log_artifact(self, logger: WandbLogger, files: Sequence[Path]) -> None:
        import wandb

        artifact = wandb.Artifact(self.own.logged.id_of("results"), type="results")
        for file in files:
            artifact.add_file(str(file), name=file.relative_to(self.own.run_dir.path).as_posix())
        logger.experiment.log_artifact(artifact)

"""MLflow: the run over the rounds is the parent of the rounds' runs."""

from dataclasses import dataclass
from typing import ClassVar

from filelock import FileLock
from pytorch_lightning.loggers import Logger, MLFlowLogger

from lottery.record.opened_run import OpenedRun
from lottery.training.loggers.kinds import ROUNDS, Configured, Facts

ID, PARENT = "lottery.id", "mlflow.parentRunId"  # tags
REMAINING = "remaining/all"  # every point has it


@dataclass(frozen=True)
class MlflowRuns:
    """Lightning's MLFlowLogger."""

    own: Configured
    keeps_files: ClassVar[bool] = True

    def begin(self, facts: Facts) -> Logger:
        """Begin the run of a round; that of an earlier attempt is deleted."""
        with self._alone():
            logger = self._begin(facts.name, {PARENT: self._parent().run_id})
        logger.log_hyperparams(facts.values)
        return logger

    def summarise(self, run: OpenedRun) -> None:
        """Log the finished rounds that the run over the rounds does not show yet."""
        points = self.own.points(run)
        if self.own.logged.rounds_of(self.own.name) == sorted(points):
            return
        with self._alone():
            logger = self._parent()
        history = logger.experiment.get_metric_history(logger.run_id, REMAINING)
        known = {metric.step for metric in history}  # a kill may have come before our own note
        for number, point in points.items():
            if number not in known:
                logger.log_metrics(point, step=number)
        logger.finalize("success")
        self.own.logged.note_rounds(self.own.name, points)

    def keep_results(self, run: OpenedRun) -> None:
        """Log files as artifacts of the run over the rounds."""
        logger = self._parent()
        for file in self.own.results(run):
            folder = file.relative_to(run.path).parent.as_posix()
            logger.experiment.log_artifact(logger.run_id, str(file), folder.removeprefix("."))

    def _parent(self) -> MLFlowLogger:
        """Return a logger of the run over the rounds, which is made if it is not there."""
        from mlflow.exceptions import MlflowException

        if known := self.own.logged.run_of(self.own.name):
            logger = self.own.make(ROUNDS, run_id=known)
            assert isinstance(logger, MLFlowLogger)
            try:
                found = logger.experiment.get_run(known)
            except MlflowException:  # the database was removed, or is another one
                found = None
            if found and found.info.lifecycle_stage == "active":
                return logger
        logger = self._begin(ROUNDS, {})
        logger.log_hyperparams(dict(self.own.settings))
        assert logger.run_id is not None
        self.own.logged.note_run(self.own.name, logger.run_id)
        return logger

    def _begin(self, round_name: str, tags: dict[str, str | None]) -> MLFlowLogger:
        """Begin a run, and delete the others of its id."""
        logger, own_id = self.own.make(round_name), self.own.logged.id_of(round_name)
        assert isinstance(logger, MLFlowLogger)
        logger.tags = {**(logger.tags or {}), ID: own_id, **tags}
        client = logger.experiment  # begins it
        for run in client.search_runs([logger.experiment_id], f"tags.`{ID}` = '{own_id}'"):
            if run.info.run_id != logger.run_id:
                client.delete_run(run.info.run_id)
        return logger

    def _alone(self) -> FileLock:
        """Let one run after the other make what all have in common: database and experiment."""
        outputs = self.own.outputs
        outputs.mkdir(parents=True, exist_ok=True)  # the run's own folder may be elsewhere
        return FileLock(outputs / ".mlflow.lock", fallback_to_soft=False)

"""Any of Lightning's loggers, or a user's own."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pytorch_lightning.loggers import Logger

from lottery.record.opened_run import OpenedRun
from lottery.training.loggers.kinds import ROUNDS, Configured, Facts


@dataclass(frozen=True)
class PlainLogger:
    """A logger of which nothing is known but Lightning's interface."""

    own: Configured
    keeps_files: ClassVar[bool] = False

    def begin(self, facts: Facts) -> Logger:
        """Return a logger for a round; the folder of an earlier attempt at it is removed."""
        logger = self.own.make(facts.name)
        self._remove_folder(logger, facts.name)
        return logger

    def summarise(self, run: OpenedRun) -> None:
        """Log the finished rounds; where they have a folder of their own, it is written again."""
        if not self.own.one_per_round:
            return  # the points would go where the rounds' curves are
        points, known = self.own.points(run), self.own.logged.rounds_of(self.own.name)
        if known == sorted(points):
            return
        logger = self.own.make(ROUNDS)
        is_new = self._remove_folder(logger, ROUNDS) or not known
        if is_new:
            logger.log_hyperparams(dict(self.own.settings))
        for number, point in points.items():
            if is_new or number not in known:
                logger.log_metrics(dict(point), step=number)
        logger.finalize("success")
        self.own.logged.note_rounds(self.own.name, points)

    def keep_results(self, run: OpenedRun) -> None:
        """Do nothing: Lightning's interface has no artifacts."""

    def _remove_folder(self, logger: Logger, name: str) -> bool:
        """Remove what was logged under a name; return whether it has a folder of its own.

        Only a folder of the run that has this name is removed: others may hold anything.
        """
        log_dir = getattr(logger, "log_dir", None)
        if log_dir is None:
            return False
        folder, own = Path(log_dir).resolve(), self.own.run_dir.path.resolve()
        is_own = folder.name == name and own in folder.parents
        if not is_own or own / "rounds" in (folder, *folder.parents):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True

"""Hydra's sweeper that lets Optuna propose the settings of jobs: `hydra/sweeper=optuna`.

Hydra imports this file whenever a Hydra app starts. Therefore what is slow to import is imported
where it is used.
"""

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class LotteryOptunaSweeper(Sweeper):
    """A sweep whose jobs are the trials of a study.

    Args:
        options: those of `conf/hydra/sweeper/optuna.yaml`, which are read from the config.
    """

    def __init__(self, **options: Any) -> None: ...

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra gives, and make the launcher."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Do trials until the study has as many as were asked for."""
        from lottery.runs.search import search

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        search(
            arguments,
            config=self.config,
            loader=self.hydra_context.config_loader,
            launcher=self.launcher,
        )

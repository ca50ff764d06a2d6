"""Hydra's launchers for sweeps of runs, in which one dead job is one dead job.

Hydra takes launchers from the package `hydra_plugins` only, and imports this file whenever a
Hydra app starts. Therefore what is slow to import is imported where it is used.
"""

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from omegaconf import DictConfig


class LotteryLocalLauncher(Launcher):
    """Several runs at once on this machine: `hydra/launcher=local_parallel`.

    Args:
        n_jobs: runs at once; -1 for as many as there are CPUs.
    """

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs = n_jobs

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra gives to every launcher."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> list[JobReturn]:
        """Do the jobs of a sweep, some at once."""
        from lottery.runs.local_launcher import launch

        return launch(
            job_overrides,
            first_number=initial_job_idx,
            num_workers=self.n_jobs,
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=self.config,
        )


class LotterySlurmLauncher(SlurmLauncher):  # type: ignore[misc]  # it has no types
    """An array of SLURM jobs: `hydra/launcher=slurm` and `slurm_gpu`."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> list[JobReturn]:
        """Submit the jobs of a sweep, and wait for every one."""
        from lottery.runs.slurm_launcher import launch

        return launch(self, job_overrides, first_number=initial_job_idx)

"""Hydra's launchers for sweeps of runs, in which one dead job is one dead job.

Hydra takes launchers from the package `hydra_plugins` only, and imports this file whenever a
Hydra app starts. Therefore what is slow to import is imported where it is used.
"""

from collections.abc import Sequence
from importlib.util import find_spec

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.utils import JobReturn


class LotteryLocalLauncher(BasicLauncher):
    """Several runs at once on this machine: `hydra/launcher=local_parallel`.

    Args:
        n_jobs: runs at once; -1 for as many as there are CPUs.
    """

    def __init__(self, n_jobs: int) -> None:
        super().__init__()
        self.n_jobs = n_jobs

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> list[JobReturn]:
        """Do the jobs of a sweep, some at once."""
        from lottery.runs.local_launcher import make_pool

        assert self.config is not None
        pool = make_pool(self.config, self.n_jobs)
        return pool.run(self._do_job, job_overrides, initial_job_idx)

    def _do_job(self, overrides: Sequence[str], number: int) -> JobReturn:
        """Do one job in a worker, as Hydra's own launcher does it."""
        (result,) = super().launch([overrides], number)
        return result


class LotteryBatchedLauncher(BasicLauncher):
    """Runs that differ in seeds, masks and starts only, as one: `hydra/launcher=batched`.

    Args:
        n_jobs: most runs that are trained as one.
    """

    def __init__(self, n_jobs: int) -> None:
        super().__init__()
        self.n_jobs = n_jobs

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> list[JobReturn]:
        """Do the jobs of a sweep, group by group."""
        from lottery.runs.batched_launcher import launch

        return launch(self._do_job, job_overrides, initial_job_idx, most=self.n_jobs)

    def _do_job(self, overrides: Sequence[str], number: int) -> JobReturn:
        """Do one job, as Hydra's own launcher does it."""
        (result,) = super().launch([overrides], number)
        return result


if find_spec("hydra_plugins.hydra_submitit_launcher"):  # the extra `slurm`
    from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher

    class LotterySlurmLauncher(SlurmLauncher):  # type: ignore[misc]  # it has no types
        """An array of SLURM jobs: `hydra/launcher=slurm` and `slurm_gpu`."""

        def launch(
            self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
        ) -> list[JobReturn]:
            """Submit the jobs of a sweep, and wait for every one."""
            from lottery.runs.slurm_launcher import launch

            return launch(self, job_overrides, first_number=initial_job_idx)

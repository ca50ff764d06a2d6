"""What Hydra's launchers lack for a sweep in which jobs may die: one dead job is one dead job."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from lottery.runs.sweep import Sweep


def make_sturdy(sweep: Sweep, config: DictConfig) -> None:
    """Have the launcher of a sweep wait for every job, and note the jobs that die.

    Args:
        sweep: the one that is about to be launched.
        config: composed, with Hydra's part.
    """
    launcher = str(config.hydra.launcher._target_)
    if launcher.endswith(".SlurmLauncher"):
        from lottery.runs.slurm_launcher import wait_for_all

        wait_for_all(sweep)
    elif launcher.endswith(".JoblibLauncher"):
        from hydra_plugins.hydra_joblib_launcher import _core  # type: ignore[import-untyped]

        from lottery.runs.local_launcher import Workers

        asked = config.trainer.devices
        devices = asked if isinstance(asked, int) and asked > 0 else 1  # jobs say what is wrong
        num_gpus = 0 if config.trainer.accelerator == "cpu" else _count_gpus()
        _core.Parallel = partial(Workers, sweep, num_gpus, devices)


def note_death(sweep: Sweep, number: int, overrides: Sequence[str], reason: str) -> None:
    """Note that a job's process is gone, unless the job itself has written how it ended.

    Args:
        sweep: the job's.
        number: the job's, in the sweep.
        overrides: of the job.
        reason: what is known about it.
    """
    known = {entry["job"]: entry for entry in sweep.jobs()}.get(number)
    status = known["status"] if known else "running"
    if status in ("running", "interrupted"):
        run = Path(known["run"]) if known else Path()
        sweep.note(number, overrides, run, {"running": "died"}.get(status, status), reason)


def _count_gpus() -> int:
    import torch

    return torch.cuda.device_count()

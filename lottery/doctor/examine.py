"""All checks of a machine, in order, and what is shown of them."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from lottery.doctor import disk, machine, promises
from lottery.doctor.finding import Finding, Status, failed
from lottery.doctor.trial import TrialFailed, Trials
from lottery.record.text_table import text_table


@dataclass(frozen=True)
class Result:
    """A check's name and what it found."""

    check: str
    finding: Finding


def examine(folder: Path) -> Iterator[Result]:
    """Make every check, one after another; trial runs lie in `folder` while they last."""
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as home:
        for name, check in _checks(folder, Trials(Path(home))).items():
            try:
                yield Result(name, check())
            except TrialFailed as error:
                yield Result(name, failed(str(error)))


def is_healthy(results: list[Result]) -> bool:
    """Return whether no check has failed."""
    return all(result.finding.status is not Status.FAIL for result in results)


def as_table(results: list[Result]) -> str:
    """Return the results as text, a line each."""
    rows = [[result.check, result.finding.status, result.finding.text] for result in results]
    return text_table(["check", "result", "found"], rows)


def as_json(results: list[Result]) -> str:
    """Return the results as JSON: a list of check, status and text."""
    return json.dumps([{"check": r.check, **asdict(r.finding)} for r in results], indent=1)


def _checks(folder: Path, trials: Trials) -> dict[str, Callable[[], Finding]]:
    return {
        "versions": machine.check_versions,
        "GPUs": machine.check_gpus,
        "precision": machine.check_precision,
        "SLURM": machine.check_slurm,
        "disk": partial(disk.check_writes, folder),
        "locks": partial(disk.check_locks, folder),
        "same run twice": partial(promises.check_repeats, trials),
        "kill and resume": partial(promises.check_resumes, trials),
        "2 CPU processes": partial(promises.check_cpu_processes, trials),
        "GPU against CPU": partial(promises.check_gpu_run, trials),
        "CUDA graphs": partial(promises.check_graphs, trials),
        "2 GPUs": partial(promises.check_gpu_processes, trials),
        "speed": partial(promises.check_speed, trials),
    }

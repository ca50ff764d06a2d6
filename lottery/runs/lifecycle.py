"""Carrying a prepared run out in its folder: the lock, the comparison, run.json, the status."""

import logging
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.config import ConfigError
from lottery.config.run_key import canonical, key_of, located
from lottery.record.disk_errors import DiskError, disk_errors_in
from lottery.record.results import Row, read_run_json, tables_are_current
from lottery.record.run_dir import DamagedFile, RunDir, write_json
from lottery.report import report_at_end
from lottery.runs.run_lock import NoFileLocks, Ownership, RunLocked, locked
from lottery.runs.workers import WorkerDied, joined, train_in_workers
from lottery.signals import Stopped

if TYPE_CHECKING:
    from lottery.config.experiment import Experiment


log = logging.getLogger(__name__)

PROBE_BYTES = 1 << 16  # Hydra writes some kilobytes before anybody can handle its errors


@contextmanager
def opened(experiment: "Experiment", *, wait: bool) -> Iterator[Ownership]:
    """Hold the run's folder, having made sure that what it holds is this run.

    Args:
        experiment: the prepared run.
        wait: wait for a process that has the folder, as in a sweep, instead of refusing.

    Raises:
        ConfigError: the folder cannot be written, is another process's, or holds another run.
    """
    run_dir = experiment.imp.run_dir
    check_writable(run_dir.path)
    try:
        with disk_errors_in(run_dir.path), locked(run_dir.path, wait=wait) as ownership:
            check_same_run(experiment)
            yield ownership
    except NoFileLocks as error:
        raise ConfigError(str(error)) from error
    except RunLocked as error:
        raise ConfigError(f"{error}; wait for it, or choose another output_dir") from error


def is_complete(experiment: "Experiment") -> bool:
    """Whether there is nothing left to do: no round, no table, and the status says so."""
    imp = experiment.imp
    return (
        not imp.todo
        and tables_are_current(imp.run_dir)
        and imp.run_dir.run_json.exists()
        and read_run_json(imp.run_dir)["status"] == "finished"
    )


def carry_out(
    experiment: "Experiment", *, wait: bool, log_config: Mapping[str, Any] | None = None
) -> list[Row]:
    """Do a run, or carry it on, or find it finished; called by each of its processes.

    Args:
        experiment: the prepared run.
        wait: wait for another command that has the folder, instead of refusing.
        log_config: by which processes that are started here log.

    Returns:
        The rows of the rounds asked for.
    """
    with ExitStack() as held:
        ownership = take_up(experiment, held, wait=wait)
        if ownership is None:
            return finished_rows(experiment)
        return execute(experiment, ownership, log_config)


def take_up(experiment: "Experiment", held: ExitStack, *, wait: bool) -> Ownership | None:
    """Open a run's folder, for all its processes; None where there is nothing left to do.

    A finished run needs no lock: one on a read-only disk can be looked at.

    Args:
        experiment: the prepared run.
        held: until it closes, the folder is open and the processes of the run belong together.
        wait: wait for another command that has the folder, instead of refusing.
    """
    from lottery.distributed import from_main

    held.enter_context(joined(experiment.place, experiment.device))
    from_main(lambda: check_same_run(experiment))  # before the lock: another run stays untouched
    if from_main(lambda: is_complete(experiment)):
        return None
    ownership = from_main(lambda: held.enter_context(opened(experiment, wait=wait)))
    finished_meanwhile = wait and from_main(lambda: is_complete(experiment))
    return None if finished_meanwhile else ownership


def finished_rows(experiment: "Experiment") -> list[Row]:
    """The rows of the rounds asked for, in each of a run's processes."""
    from lottery.distributed import from_main

    return from_main(lambda: experiment.imp.rows)


def execute(
    experiment: "Experiment", ownership: Ownership, log_config: Mapping[str, Any] | None
) -> list[Row]:
    """Do the rounds that are left, keeping the status in run.json; the folder must be open.

    Args:
        experiment: the prepared run.
        ownership: of its folder.
        log_config: by which processes that are started here log.

    Returns:
        The rows of the rounds asked for.
    """
    with disk_errors_in(experiment.imp.run_dir.path):
        if experiment.place.rank:
            with experiment.stop.listening():
                return train(experiment, ownership)
        return _lead(experiment, ownership, log_config)


def _lead(
    experiment: "Experiment", ownership: Ownership, log_config: Mapping[str, Any] | None
) -> list[Row]:
    """The main process's part: run.json and the report around the training."""
    run_dir = experiment.imp.run_dir
    for note in experiment.notes:
        log.info("%s", note)
    _write_run_json(experiment)
    try:
        with experiment.stop.listening():
            if experiment.starts_workers:
                train_in_workers(
                    *(experiment.config, experiment.device, ownership),
                    *(experiment.stop, log_config),
                )
            else:
                train(experiment, ownership)
        if experiment.imp.todo:
            raise WorkerDied("a process of the run has ended before all rounds were done")
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit | Stopped)
        message = f"{type(error).__name__}: {error}"
        with suppress(OSError):  # the disk may be full, which is what the error says
            if not ownership.lost:
                _set_status(run_dir, "interrupted" if interrupted else "failed", message)
        raise
    _set_status(run_dir, "finished", "")
    report_at_end(run_dir.path)
    return experiment.imp.rows


def train(experiment: "Experiment", ownership: Ownership) -> list[Row]:
    """Do the rounds that are left, as one of the run's processes."""
    from lottery.distributed import from_main, is_main
    from lottery.imp import run_rounds
    from lottery.reinit import steps_to_come

    imp = replace(experiment.imp, check_owned=ownership.check_owned)
    todo = from_main(lambda: imp.todo)
    later = steps_to_come(imp.reinit, imp.num_steps)
    steps = [later if number else imp.num_steps for number in todo]
    with (
        disk_errors_in(imp.run_dir.path),
        experiment.progress.running(todo, steps, visible=is_main()),
    ):
        return run_rounds(imp)


def is_known(error: BaseException) -> bool:
    """Whether an error is one that a user can do something about: it needs no traceback."""
    from lottery.imp import BrokenInvariant, NothingToRewindTo
    from lottery.pruning import BadScores
    from lottery.training import Diverged

    known = (ConfigError, RunLocked, WorkerDied, BrokenInvariant, NothingToRewindTo, Diverged)
    return isinstance(error, (*known, BadScores, DamagedFile, DiskError))


def check_same_run(experiment: "Experiment") -> None:
    """Check that the run's folder, where it exists, holds this run and rests on the same files.

    Raises:
        ConfigError: naming what differs.
    """
    path = experiment.imp.run_dir.run_json
    if not path.exists():
        return
    entry = read_run_json(experiment.imp.run_dir)
    here = canonical(experiment.config) | {"seed": experiment.config["seed"]}
    there = entry["config"] | {"seed": entry["seed"]}
    differing = [
        f"{key} ({there.get(key, 'absent')} there, {here.get(key, 'absent')} here)"
        for key in sorted(here.keys() | there.keys())
        if here.get(key, "absent") != there.get(key, "absent")
    ]
    if differing:
        raise ConfigError(f"{path.parent}: holds another run; differing: {', '.join(differing)}")
    changed = [
        name
        for name in sorted(experiment.digests.keys() & entry["digests"].keys())
        if experiment.digests[name] != entry["digests"][name]
    ]
    if changed:
        raise ConfigError(
            f"{path.parent}: began with other content of {', '.join(changed)}; "
            "put it back, or choose another output_dir"
        )


def note_command() -> None:
    """Keep this process's command for its jobs on SLURM, which have another."""
    os.environ["LOTTERY_COMMAND"] = shlex.join(["lottery", *sys.argv[1:]])


def resume_command() -> str:
    """The command that carries an interrupted run on: the same one."""
    return os.environ.get("LOTTERY_COMMAND") or shlex.join(["lottery", *sys.argv[1:]])


def check_writable(path: Path) -> None:
    """Check that a run's folder, there or not, can be written.

    Raises:
        ConfigError: it cannot.
    """
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:  # os.access does not know root
            file.write(bytes(PROBE_BYTES))
            file.flush()
    except OSError as error:
        raise ConfigError(f"output_dir: {path} cannot be written: {error}") from error


def _write_run_json(experiment: "Experiment") -> None:
    from lottery.config.provenance import git_commit, machine, versions

    run_dir, config = experiment.imp.run_dir, experiment.config
    here = machine(experiment.device.accelerator)
    digests: Mapping[str, str] = experiment.digests
    if run_dir.run_json.exists():
        earlier = read_run_json(run_dir)
        digests = earlier["digests"] | digests  # of copied rounds that are not asked for now
        _warn_of_other_machine(earlier["machine"], here)
    entry: dict[str, Any] = {
        "name": run_dir.path.parent.name,
        "key": key_of(config),
        "seed": config["seed"],
        "status": "running",
        "message": "",
        "rounds": list(experiment.imp.rounds),
        "config": canonical(config),
        "settings": located(config),
        "digests": dict(digests),
        "input_shape": list(experiment.splits.input_shape),
        "num_classes": experiment.splits.num_classes,
        "num_tokens": experiment.splits.num_tokens,
        "versions": versions(),
        "git_commit": git_commit(),
        "machine": here,
    }
    write_json(run_dir.run_json, entry)


def _warn_of_other_machine(earlier: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    for name in ("device", "threads"):
        if earlier.get(name) != here[name]:
            log.warning(
                "this run began with %s=%s and goes on with %s: its last bits may differ from "
                "those of a run that was not interrupted",
                *(name, earlier.get(name), here[name]),
            )


def _set_status(run_dir: RunDir, status: str, message: str) -> None:
    entry = read_run_json(run_dir)
    write_json(run_dir.run_json, {**entry, "status": status, "message": message})

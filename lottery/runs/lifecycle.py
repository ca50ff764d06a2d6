"""The life of one run: its folder is opened, its rounds are trained, its status is kept."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lottery.errors import ConfigError
from lottery.record.disk_errors import check_writable, disk_errors_in
from lottery.record.opened_run import OpenedRun
from lottery.record.schema import Row
from lottery.record.score import ACCURACY
from lottery.record.tables import tables_are_current
from lottery.report import report_at_end
from lottery.runs.process_group import WorkerDied, joined
from lottery.runs.run_folder import check_run_folder
from lottery.runs.run_json import check_same_run, status_in_run_json
from lottery.runs.run_lock import Ownership, RunLocked, has_owner, locked, when_free
from lottery.runs.workers import MEETING, train_in_workers, train_rounds

if TYPE_CHECKING:
    from lottery.config.experiment import Experiment

log = logging.getLogger(__name__)

TELL_SECONDS = 10  # that rank 0 waits for the others to tell them of a refusal


def run_experiment(experiment: "Experiment", *, wait: bool) -> list[Row]:
    """Do a run, or carry it on, or find it finished; return the rows of the rounds asked for.

    Each process of the run calls this. `wait` waits for another command that works in the folder.
    """
    with open_run_folder(experiment, wait=wait) as ownership:
        if ownership is None:
            return experiment.imp.rows()
        return run_with_status(experiment, ownership)


@contextmanager
def open_run_folder(experiment: "Experiment", *, wait: bool) -> Iterator[Ownership | None]:
    """Lock the run's folder, bring its processes together, and yield the owner to each of them.

    A complete run yields None. It needs no lock: one on a read-only disk can be looked at.
    """
    from lottery.distributed import from_main

    with ExitStack() as lock:
        # Rank 0 tries before it waits for the others, which SLURM may start much later.
        tried = [] if experiment.process.rank else [_try_to_open(lock, experiment)]

        def open_on_main() -> Ownership | None:
            return (tried.pop() if tried else _try_to_open(lock, experiment)).result()

        refusals = [attempt.refusal for attempt in tried if attempt.is_final(wait=wait)]
        with _joined(experiment, refusals[0] if refusals else None):
            # the others would not wait longer than `trainer.timeout` for a word of rank 0
            yield when_free(lambda: from_main(open_on_main), wait=wait)


@dataclass(frozen=True)
class _Attempt:
    """What rank 0 found when it tried to open the run's folder."""

    ownership: Ownership | None = None  # None of a complete run, too
    refusal: Exception | None = None

    def is_final(self, *, wait: bool) -> bool:
        """Return whether it was refused and is not tried again."""
        return self.refusal is not None and not (wait and isinstance(self.refusal, RunLocked))

    def result(self) -> Ownership | None:
        """Return the owner, or raise the refusal."""
        if self.refusal is not None:
            raise self.refusal
        return self.ownership


def _try_to_open(lock: ExitStack, experiment: "Experiment") -> _Attempt:
    """Lock the run's folder until `lock` is closed, unless the run is complete."""
    run = OpenedRun(experiment.imp.run_dir)
    try:
        # checked before the lock is taken: the folder of another run stays untouched
        if _is_there(experiment):
            return _Attempt()
        ownership = lock.enter_context(_held(experiment))
        # another command may have completed it before we had the lock
        return _Attempt() if is_complete(experiment, run) else _Attempt(ownership)
    except Exception as error:  # noqa: BLE001  # raised on all ranks, once they have met
        return _Attempt(refusal=error)


@contextmanager
def _joined(experiment: "Experiment", refusal: Exception | None) -> Iterator[None]:
    """Meet the run's other processes; rank 0 does not wait long for them to tell a refusal."""
    device = experiment.device
    if refusal is not None:
        device = replace(device, timeout=min(device.timeout, TELL_SECONDS))
    try:
        with joined(experiment.process, device):
            yield
    except WorkerDied:
        if refusal is not None:  # they have not come; our end is the end of the whole step
            raise refusal from None
        raise


def _is_there(experiment: "Experiment") -> bool:
    """Check the run's folder; return whether the run is complete, cleared of what a kill left."""
    run_dir = experiment.imp.run_dir
    with disk_errors_in(run_dir.path):
        check_run_folder(run_dir)
        run = OpenedRun(run_dir)
        check_run_json(experiment, run)
        complete = is_complete(experiment, run)
    if complete and has_owner(run_dir.path):
        # its owner works still, or we may not write
        with suppress(ConfigError, OSError), locked(run_dir.path, wait=False):
            run_dir.remove_leftovers()
    return complete


def run_with_status(
    experiment: "Experiment", ownership: Ownership, *, in_sweep: bool = False
) -> list[Row]:
    """Do the remaining rounds; the main process keeps run.json and makes the report.

    In a sweep the report has no pictures: they would take longer than a small network's training.
    """
    path = experiment.imp.run_dir.path
    with disk_errors_in(path):
        if experiment.process.rank:
            with experiment.stop.listening():
                return train_rounds(experiment, ownership)
        _log_device(experiment)
        if (score := experiment.score) != ACCURACY:
            log.info("val and test are %s: %s", score.metric, score.direction)
        for note in experiment.notes:
            log.info("%s", note)
        with status_in_run_json(experiment, ownership):
            with experiment.stop.listening():
                if experiment.starts_workers:
                    train_in_workers(experiment, ownership)
                    rows = experiment.imp.rows()
                else:
                    rows = train_rounds(experiment, ownership)
            if experiment.imp.rounds.todo(rows):
                raise WorkerDied("a process of the run has ended before all rounds were done")
        alone = experiment.loggers.keep_files
        report_at_end(path, pictures=not in_sweep, self_contained=alone)
        experiment.loggers.keep_results(OpenedRun(experiment.imp.run_dir))
        return rows


def _log_device(experiment: "Experiment") -> None:
    """Log which GPU trains; warn of one that is there and cannot be used."""
    from lottery.config.gpus import unusable_gpu
    from lottery.config.provenance import device_name

    device = experiment.device
    if device.accelerator == "gpu":
        name, tf32 = device_name(device.accelerator), "on" if device.tf32 else "off"
        steps = "replayed as a CUDA graph" if device.graph else "made kernel by kernel"
        place = f"{device.num_processes} x {name}"
        log.info("computing on %s, TF32 %s, steps %s", place, tf32, steps)
    elif experiment.settings.trainer.accelerator == "auto" and (unusable := unusable_gpu()):
        log.warning("%s; the CPU is used, many times slower", unusable)


@contextmanager
def _held(experiment: "Experiment") -> Iterator[Ownership]:
    """Lock the run's folder; afterwards check again that the folder holds this run."""
    path = experiment.imp.run_dir.path
    check_writable(path, "output_dir")
    with disk_errors_in(path), locked(path, wait=False) as ownership:
        check_run_json(experiment, OpenedRun(experiment.imp.run_dir))
        shutil.rmtree(path / MEETING, ignore_errors=True)  # of a launcher that was killed
        yield ownership


def check_run_json(experiment: "Experiment", run: OpenedRun) -> None:
    """Check that a folder that holds a run holds this one, resting on the same files."""
    if run.folder.run_json.exists():
        check_same_run(experiment, run)


def is_complete(experiment: "Experiment", run: OpenedRun) -> bool:
    """Return whether no round is left to do, the tables are there, and run.json says finished."""
    return (
        not experiment.imp.rounds.todo(run.rows)
        and tables_are_current(run)
        and run.folder.run_json.exists()
        and run.run_json["status"] == "finished"
    )

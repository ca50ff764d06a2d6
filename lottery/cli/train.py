"""The command `lottery`: one run, or with -m a sweep."""

import logging
import math
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from lottery.cli.common import (
    check_surroundings,
    command_line,
    errors_end_the_command,
    print_on_main,
)
from lottery.cli.hydra_app import (
    plain_values,
    run_app,
    value_errors,
    warn_of_launcher,
    write_hydra_files,
)
from lottery.config import ALONE, ConfigError, ProcessRank, prepare
from lottery.config.hydra_setup import register_resolvers
from lottery.config.targets import make_cwd_importable
from lottery.errors import LotteryError, memory_errors
from lottery.record.disk_errors import check_writable, disk_errors_in
from lottery.record.files import DamagedFile
from lottery.record.opened_run import OpenedRun
from lottery.record.rows import format_table
from lottery.record.schema import Row, SweepJob
from lottery.record.score import ACCURACY, Score
from lottery.report import report_at_end
from lottery.runs.lifecycle import check_run_json, open_run_folder, run_with_status
from lottery.runs.process_group import ends_at_once, find_process_rank
from lottery.runs.run_folder import check_run_folder
from lottery.runs.run_lock import Ownership
from lottery.runs.sweep import Sweep
from lottery.signals import Stopped

if TYPE_CHECKING:
    from lottery.config.experiment import Experiment

log = logging.getLogger(__name__)

register_resolvers()  # when imported: a launcher's job gets here without passing through main


@dataclass
class Command:
    """What Hydra's callback, the job and the end of one command share."""

    process: ProcessRank = ALONE
    experiment: "Experiment | None" = None
    ownership: Ownership | None = None
    sweep: Sweep | None = None
    held: ExitStack = field(default_factory=ExitStack)  # a single run's folder, until its end

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints."""
        return self.process.rank == 0


# Hydra makes the callback and calls the job: nothing else connects the two. `main` sets it.
current_command: ContextVar[Command] = ContextVar("current_command")


class Gate(Callback):
    """Hydra's callback that ends the process before Hydra has made a folder.

    Config mistakes, `dry_run`, a locked folder and a finished run all end here.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Prepare a single run; return only if there is something to train."""
        command = current_command.get()
        try:
            with errors_end_the_command(_same_command()), value_errors():
                plain_config = plain_values(config, config.hydra)
                folder = Path(str(config.hydra.run.dir)).absolute()
                command.process = _find_process_rank(plain_config)
            with errors_end_the_command(_same_command(), is_main=command.is_main):
                _pass_gate(command, plain_config, folder)
        except Exception:  # noqa: BLE001  # Hydra would make a mere warning of it
            traceback.print_exc()
            sys.exit(1)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Check and remember the sweep; its jobs are checked one by one."""
        with errors_end_the_command(_same_command()), value_errors():
            if config.dry_run:
                raise ConfigError("dry_run=true: for one run at a time, without -m")
            sweep = Sweep.of(config.hydra)
            check_writable(sweep.path, "hydra.sweep.dir")
            warn_of_launcher(config.hydra)
        current_command.get().sweep = sweep


def _pass_gate(command: Command, config: dict[str, Any], folder: Path) -> None:
    """Build a single run and open its folder; end the process if there is nothing to train."""
    experiment = prepare(config, folder, command.process)
    if experiment.settings.dry_run:
        from lottery.config.dry_run import describe

        check_run_folder(experiment.imp.run_dir)
        with disk_errors_in(folder):
            check_run_json(experiment, OpenedRun(experiment.imp.run_dir))
        check_writable(folder, "output_dir")
        print_on_main(describe(experiment), is_main=command.is_main)
        sys.exit(0)
    command.experiment = experiment
    command.ownership = command.held.enter_context(open_run_folder(experiment, wait=False))
    if command.ownership is None:
        _print_rows(command, experiment.imp.rows())
        command.held.close()
        sys.exit(0)


def task(config: DictConfig) -> float:
    """Do one Hydra job; return the last round's `val`, for sweepers."""
    make_cwd_importable(HydraConfig.get().runtime.cwd)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return _sweep_job(config)
    command = current_command.get()
    experiment, ownership = command.experiment, command.ownership
    assert experiment is not None  # the gate lets nothing else past
    assert ownership is not None
    with errors_end_the_command(_same_command(), is_main=command.is_main, describe=_describe):
        with command.held, disk_errors_in(ownership.folder), _exits_are_stops():
            rows = _train(experiment, ownership, config, in_sweep=False)
        _print_rows(command, rows)
    return _val_of(rows[-1])


def _val_of(row: Row) -> float:
    """Return what a sweeper searches by; nan without validation data."""
    return math.nan if row["val"] is None else float(row["val"])


def _train(
    experiment: "Experiment", ownership: Ownership, config: DictConfig, *, in_sweep: bool
) -> list[Row]:
    if experiment.process.rank == 0:
        write_hydra_files(ownership.folder, config)
    return run_with_status(experiment, ownership, in_sweep=in_sweep)


def _sweep_job(config: DictConfig) -> float:
    """Do a job of a sweep: a failure is noted in the sweep's folder, and the other jobs go on."""
    hydra_config = HydraConfig.get()
    number, folder = int(hydra_config.job.num), Path(hydra_config.runtime.output_dir)
    sweep, process = Sweep.of(hydra_config), ALONE

    def note(
        status: str, message: str = "", row: Row | None = None, score: Score = ACCURACY
    ) -> None:
        if process.rank == 0:
            job: SweepJob = {
                "job": number,
                "overrides": list(hydra_config.overrides.task),
                "run": str(folder),
                "status": status,
                "message": message,
                "row": row,
            }
            if score != ACCURACY:
                job["score"] = score.to_json()
            sweep.note(job)

    try:
        with disk_errors_in(sweep.path), memory_errors(), _exits_are_stops(), value_errors():
            values = plain_values(config, hydra_config)
            process = _find_process_rank(values)
            note("running")
            experiment = prepare(values, folder, process)
            with open_run_folder(experiment, wait=True) as held:
                if held:
                    rows = _train(experiment, held, config, in_sweep=True)
                else:
                    rows = experiment.imp.rows()
    except LotteryError as error:
        log.error("error: job %s: %s", number, _describe(error))
        note("failed", _describe(error))
    except Exception as error:  # whatever it is, the other jobs go on
        log.exception("job %s failed", number)
        note("failed", f"{type(error).__name__}: {error}".splitlines()[0])
    except (KeyboardInterrupt, Stopped):
        note("interrupted")
        with errors_end_the_command(_same_command(), is_main=process.rank == 0):
            raise
    else:
        note("finished", row=rows[-1], score=experiment.score)
        return _val_of(rows[-1])
    return float("nan")


def _find_process_rank(config: dict[str, Any]) -> ProcessRank:
    """Return this process's rank; all but the main process keep silent from now on."""
    process = find_process_rank(config)
    if process.rank:
        logging.disable(logging.WARNING)
    return process


@contextmanager
def _exits_are_stops() -> Iterator[None]:
    """Take an exit of the user's code for Ctrl-C: its exit code 0 would look like success."""
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error


def _describe(error: LotteryError) -> str:
    """Return the line of an error; it tells that nothing finished is lost."""
    known = isinstance(error, ConfigError | DamagedFile)
    return str(error) if known else f"{error}; finished rounds are kept"


def _print_rows(command: Command, rows: list[Row]) -> None:
    assert command.experiment is not None
    folder = command.experiment.imp.run_dir.path
    report = folder / "report.html"
    score = command.experiment.score
    lines = [format_table(rows, score), *([str(report)] if report.exists() else []), str(folder)]
    print_on_main("\n".join(lines), is_main=command.is_main)


def _same_command() -> str:
    """Return the command that carries a run on; a job on SLURM has another one of its own."""
    return os.environ.get("LOTTERY_COMMAND") or command_line("lottery")


def _end_sweep(sweep: Sweep) -> None:
    if not sweep.jobs():
        sweep.discard()
        return
    with errors_end_the_command(_same_command()), disk_errors_in(sweep.path):
        print(sweep.summary(report_at_end(sweep.path)))


def main() -> None:
    """Run the command."""
    check_surroundings()
    command = Command()
    current_command.set(command)
    make_cwd_importable()
    os.environ["LOTTERY_COMMAND"] = command_line("lottery")
    with ends_at_once():
        try:
            run_app(task, _same_command())
        finally:  # Hydra skips its own on_multirun_end when a job has failed
            if command.sweep is not None:
                _end_sweep(command.sweep)
        if command.sweep is not None and not command.sweep.all_finished():
            sys.exit(1)

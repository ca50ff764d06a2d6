"""The command `lottery`: one run, or with -m a sweep."""

import logging
import signal
import sys
import traceback
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from lottery.config import ALONE, ConfigError, ProcessRank, prepare
from lottery.config.hydra_setup import (
    conf_dir,
    job_logging,
    register_resolvers,
)
from lottery.config.run_key import plain
from lottery.config.targets import make_cwd_importable
from lottery.record.files import DamagedFile
from lottery.record.rows import format_table
from lottery.record.schema import Row
from lottery.report import report_at_end
from lottery.runs.launchers import make_sturdy
from lottery.runs.lifecycle import (
    carry_out,
    check_writable,
    execute,
    finished_rows,
    is_known,
    note_command,
    resume_command,
    take_up,
)
from lottery.runs.run_lock import Ownership
from lottery.runs.sweep import Sweep
from lottery.runs.workers import find_process_rank
from lottery.signals import Stopped

if TYPE_CHECKING:
    from lottery.config.experiment import Experiment

log = logging.getLogger(__name__)

register_resolvers()  # when imported: a launcher's job gets here without passing through main

MISTAKE = 2  # exit code of a user's mistake


class Command:
    """What passes between Hydra's callback, its job and the end of the command."""

    def __init__(self) -> None:
        self.process = ALONE
        self.experiment: Experiment | None = None
        self.ownership: Ownership | None = None
        self.sweep: Sweep | None = None
        self.held = ExitStack()  # a single run's lock, and its group of processes


# Hydra makes the callback and calls the job: this is all that they share. `main` sets it; a
# process that a launcher has started has one of its own.
_commands: ContextVar[Command] = ContextVar("command")


def _command() -> Command:
    if _commands.get(None) is None:
        _commands.set(Command())
    return _commands.get()


class Gate(Callback):
    """Hydra's callback that ends the process before Hydra has made a folder.

    Config mistakes, `dry_run`, a locked folder and a finished run all end here.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Prepare a single run; only what has something to train gets past."""
        try:
            self._prepare(config)
        except ConfigError as error:
            _exit(f"error: {error}", MISTAKE)
        except Exception as error:  # noqa: BLE001  # Hydra would make a mere warning of it
            if is_known(error):
                _exit(f"error: {error}", 1)
            traceback.print_exc()
            sys.exit(1)

    def _prepare(self, config: DictConfig) -> None:
        path = Path(str(config.hydra.run.dir)).absolute()
        plain_config = plain(config)
        experiment = prepare(plain_config, path, _take_process_rank(plain_config))
        if experiment.settings.dry_run:
            from lottery.config.dry_run import describe

            check_writable(experiment.imp.run_dir.path)
            _print(describe(experiment))
            sys.exit(0)
        _command().ownership = take_up(experiment, _command().held, wait=False)
        if _command().ownership is None:
            _print_rows(experiment, finished_rows(experiment))
            _command().held.close()
            sys.exit(0)
        _command().experiment = experiment

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Remember the sweep; its jobs are checked one by one."""
        if config.dry_run:
            _exit("error: dry_run=true: for one run at a time, without -m", MISTAKE)
        _command().sweep = Sweep(Path(str(config.hydra.sweep.dir)).absolute())
        make_sturdy(_command().sweep, config)


def task(config: DictConfig) -> float:
    """One Hydra job: train, and return the last round's validation accuracy for sweepers."""
    make_cwd_importable()
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return _sweep_job(config)
    experiment, ownership = _command().experiment, _command().ownership
    assert experiment is not None  # the gate lets nothing else past
    assert ownership is not None
    try:
        rows = _execute(experiment, ownership)
    finally:
        _command().held.close()
    _print_rows(experiment, rows)
    return float(rows[-1]["val"])


def _execute(experiment: "Experiment", ownership: Ownership) -> list[Row]:
    """Run; what a user can do something about ends the process in one line."""
    try:
        return execute(experiment, ownership, job_logging())
    except Exception as error:
        if not is_known(error):
            raise
        _exit(f"error: {_one_line(error)}", 1)
    except (KeyboardInterrupt, SystemExit, Stopped) as stop:
        _exit_stopped(stop)


def _sweep_job(config: DictConfig) -> float:
    """A job of a sweep: whatever fails is noted, so that the other jobs go on."""
    hydra_config = HydraConfig.get()
    number, folder = int(hydra_config.job.num), Path(hydra_config.runtime.output_dir)
    plain_config = plain(config)
    process = _take_process_rank(plain_config)
    note = partial(
        _note_on_main,
        *(Path(str(hydra_config.sweep.dir)).absolute(), number),
        *(list(hydra_config.overrides.task), folder),
    )
    note("running", "")
    try:
        experiment = prepare(plain_config, folder, process)
        rows = carry_out(experiment, wait=True, log_config=job_logging())
    except Exception as error:  # whatever it is, the other jobs go on
        if is_known(error):
            line = _one_line(error)
            log.error("error: job %s: %s", number, line)
        else:
            line = f"{type(error).__name__}: {error}".splitlines()[0]
            log.exception("job %s failed", number)
        note("failed", line)
        return float("nan")
    except (KeyboardInterrupt, SystemExit, Stopped) as stop:
        note("interrupted", "")
        _exit_stopped(stop)
    note("finished", "", rows[-1])
    return float(rows[-1]["val"])


def _take_process_rank(config: dict[str, Any]) -> ProcessRank:
    """Which of the run's processes this is; the main one says it all, into the same file."""
    _command().process = find_process_rank(config)
    if _command().process.rank:
        logging.disable(logging.WARNING)
    return _command().process


def _note_on_main(sweep: Path, *entry: Any) -> None:
    if not _command().process.rank:
        Sweep(sweep).note(*entry)


def _one_line(error: BaseException) -> str:
    """An error that users can do something about, in their words."""
    kept = "" if isinstance(error, ConfigError | DamagedFile) else "; finished rounds are kept"
    return f"{error}{kept}"


def _exit_stopped(stop: BaseException) -> NoReturn:
    """Leave with the signal's exit code; first do what whoever launched us does at the signal."""
    signum = stop.signum if isinstance(stop, Stopped) else int(signal.SIGINT)
    what = str(stop) if isinstance(stop, Stopped) else "stopped"
    _print(f"{what}; resume with: {resume_command()}", sys.stderr)
    handler = signal.getsignal(signum)
    if callable(handler) and handler is not signal.default_int_handler:
        handler(signum, None)  # submitit's queues the job again
    # Under SLURM the first process that fails ends the others; let that be the main one.
    sys.exit(0 if _command().process.rank else 128 + signum)


def _print_rows(experiment: "Experiment", rows: list[Row]) -> None:
    run_dir = experiment.imp.run_dir
    _print(format_table(rows))
    if (report := run_dir.path / "report.html").exists():
        _print(str(report))
    _print(str(run_dir.path))


def _print(text: str, file: TextIO | None = None) -> None:
    if not _command().process.rank:
        print(text, file=file)


def _exit(line: str, code: int) -> NoReturn:
    _print(line, sys.stderr)
    sys.exit(code)


def _end_sweep() -> None:
    sweep = _command().sweep
    if sweep is not None and sweep.jobs():
        print(sweep.summary(report_at_end(sweep.path)))
    elif sweep is not None:
        sweep.discard()


def main() -> None:
    """The console command."""
    _commands.set(Command())
    make_cwd_importable()
    note_command()
    run = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(task)
    try:
        run()
    except KeyboardInterrupt:  # while nothing had begun yet
        _exit("stopped", 130)
    finally:  # Hydra skips its own on_multirun_end when a job has failed
        _end_sweep()
    if _command().sweep is not None and not _command().sweep.all_finished():
        sys.exit(1)

"""The command `lottery`: one run, or with -m a sweep."""

import logging
import sys
import traceback
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from lottery.api.session import (
    check_same_run,
    check_writable,
    execute,
    is_complete,
    opened,
    resume_command,
)
from lottery.api.sweep import Sweep
from lottery.build import ConfigError, prepare
from lottery.build.hydra_setup import conf_dir, register_resolvers
from lottery.build.identity import plain
from lottery.results import Row, format_table

if TYPE_CHECKING:
    from lottery.build.experiment import Experiment

log = logging.getLogger(__name__)

register_resolvers()  # when imported: a launcher's job gets here without passing through main

MISTAKE = 2  # exit code of a user's mistake


class Command:
    """What passes between Hydra's callback, its job and the end of the command."""

    def __init__(self) -> None:
        self.experiment: Experiment | None = None
        self.sweep: Sweep | None = None
        self.lock = ExitStack()  # of a single run


_command = Command()  # Hydra makes the callback and calls the job: they share nothing else


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
        except Exception:  # noqa: BLE001  # Hydra would make a mere warning of it
            traceback.print_exc()
            sys.exit(1)

    def _prepare(self, config: DictConfig) -> None:
        experiment = prepare(plain(config), Path(str(config.hydra.run.dir)).absolute())
        if experiment.config["dry_run"]:
            from lottery.build.plan import describe

            check_writable(experiment.imp.run_dir.path)
            print(describe(experiment))
            sys.exit(0)
        check_same_run(experiment)
        if is_complete(experiment):  # needs no lock: a run on a read-only disk can be looked at
            _print_rows(experiment)
            sys.exit(0)
        _command.lock.enter_context(opened(experiment, wait=False))
        _command.experiment = experiment

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Remember the sweep; its jobs are checked one by one."""
        if config.dry_run:
            _exit("error: dry_run=true: for one run at a time, without -m", MISTAKE)
        _command.sweep = Sweep(Path(str(config.hydra.sweep.dir)).absolute())


def task(config: DictConfig) -> float:
    """One Hydra job: train, and return the last round's validation accuracy for sweepers."""
    _make_cwd_importable()
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return _sweep_job(config)
    experiment = _command.experiment
    assert experiment is not None  # the gate lets nothing else past
    try:
        rows = _execute(experiment)
    finally:
        _command.lock.close()
    _print_rows(experiment)
    return float(rows[-1]["val"])


def _execute(experiment: "Experiment") -> list[Row]:
    """Run; what a user can do something about ends the process in one line."""
    try:
        return execute(experiment)
    except Exception as error:
        line = _one_line(error)
        if line is None:
            raise
        _exit(f"error: {line}", 1)
    except (KeyboardInterrupt, SystemExit) as stop:
        _exit_stopped(stop)


def _sweep_job(config: DictConfig) -> float:
    """A job of a sweep: whatever fails is noted, so that the other jobs go on."""
    hydra_config = HydraConfig.get()
    sweep = Sweep(Path(str(hydra_config.sweep.dir)).absolute())
    note = partial(
        sweep.note,
        int(hydra_config.job.num),
        list(hydra_config.overrides.task),
        Path(hydra_config.runtime.output_dir),
    )
    note("running", "")
    try:
        experiment = prepare(plain(config), Path(hydra_config.runtime.output_dir))
        with opened(experiment, wait=True):
            if not is_complete(experiment):
                execute(experiment)
    except Exception as error:
        line = _one_line(error)
        if line is None:
            log.exception("job %s failed", hydra_config.job.num)
        else:
            log.error("error: job %s: %s", hydra_config.job.num, line)
        note("failed", line or f"{type(error).__name__}: {error}")
        return float("nan")
    except (KeyboardInterrupt, SystemExit) as stop:
        note("interrupted", "")
        _exit_stopped(stop)
    last = experiment.imp.rows[-1]
    note("finished", "", last)
    return float(last["val"])


def _one_line(error: Exception) -> str | None:
    """An error in a user's words; None for an error in code, whose traceback is needed."""
    if isinstance(error, ConfigError):
        return str(error)
    from lottery.imp import BrokenInvariant, NothingToRewindTo
    from lottery.training import Diverged

    known = isinstance(error, BrokenInvariant | NothingToRewindTo | Diverged)
    return f"{error}; finished rounds are kept" if known else None


def _exit_stopped(stop: KeyboardInterrupt | SystemExit) -> NoReturn:
    # Lightning turns Ctrl-C into exit code 1, and SIGTERM into an exit code of 0
    by_keyboard = KeyboardInterrupt in (type(stop), type(stop.__context__))
    _exit(f"stopped; carry on with: {resume_command()}", 130 if by_keyboard else 143)


def _print_rows(experiment: "Experiment") -> None:
    print(format_table(experiment.imp.rows))
    print(experiment.imp.run_dir.path)


def _exit(line: str, code: int) -> NoReturn:
    print(line, file=sys.stderr)
    sys.exit(code)


def _end_sweep() -> None:
    sweep = _command.sweep
    if sweep is not None and sweep.jobs():
        print(sweep.summary())
    elif sweep is not None:
        sweep.discard()


def _make_cwd_importable() -> None:
    """For users' own classes: console scripts leave the folder out, and so do launchers' jobs."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def main() -> None:
    """The console command."""
    _make_cwd_importable()
    run = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(task)
    try:
        run()
    finally:  # Hydra skips its own on_multirun_end when a job has failed
        _end_sweep()
    if _command.sweep is not None and not _command.sweep.all_finished():
        sys.exit(1)

"""Hydra around our task: its app is run, and no mistake and no full disk is a traceback of it."""

import argparse
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra._internal import utils
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lottery.cli.common import errors_end_the_command
from lottery.config.hydra_setup import conf_dir
from lottery.config.known_keys import known_keys
from lottery.config.overrides import check_overrides, composing
from lottery.config.run_key import located, plain
from lottery.errors import ConfigError
from lottery.nearest import did_you_mean
from lottery.record.disk_errors import disk_errors_in
from lottery.record.files import write_text

log = logging.getLogger(__name__)

PATIENT_LAUNCHERS = ("hydra._internal.core_plugins.", "hydra_plugins.lottery_launchers.")


def run_app(task: Callable[[DictConfig], Any], same_command: str) -> None:
    """Run Hydra's app. Errors of our own and of the disk end it in one line, as do wrong flags."""
    hydras = utils.run_and_report  # prints Hydra's own errors, and tracebacks of all others
    main = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")

    def report(func: Callable[[], Any]) -> Any:
        def with_our_errors() -> Any:
            with (
                errors_end_the_command(same_command),
                disk_errors_in(Path.cwd()),
                value_errors(),
                composing(sys.argv[1:]),
            ):
                return func()

        return hydras(with_our_errors)

    def app() -> None:
        check_overrides(sys.argv[1:])
        try:
            with texts_as_help():
                _check_flags(sys.argv[1:])
                main(task)()
        except ValueError as error:  # of flags: everything else has been reported by now
            raise ConfigError(str(error)) from error

    utils.run_and_report = report
    try:
        report(app)
    finally:
        utils.run_and_report = hydras


def _check_flags(words: Sequence[str]) -> None:
    """Check that Hydra has the options of a command; it takes their beginnings, too."""
    known = re.findall(r"--[a-z][\w-]*", utils.get_args_parser().format_usage())
    for name in (word.partition("=")[0] for word in words if word.startswith("--")):
        if not any(flag.startswith(name) for flag in known):
            key = name.removeprefix("--").replace("-", "_")
            if key in known_keys():
                raise ConfigError(f"{name}: a setting is written without dashes: {key}=VALUE")
            near = did_you_mean(name, known) or "`lottery --hydra-help` lists them"
            raise ConfigError(f"{name}: no such option; {near}")


@contextmanager
def texts_as_help() -> Iterator[None]:
    """Give argparse texts as help: Hydra 1.3 has an object there, which Python 3.14 refuses."""
    container = argparse._ActionsContainer
    add_argument = container.add_argument

    def with_text(self: Any, *names: str, **options: Any) -> argparse.Action:
        if options.get("help") is not None:
            options["help"] = str(options["help"])
        return add_argument(self, *names, **options)

    container.add_argument = with_text  # type: ignore[method-assign]  # for Hydra
    try:
        yield
    finally:
        container.add_argument = add_argument  # type: ignore[method-assign]  # as before


@contextmanager
def value_errors() -> Iterator[None]:
    """Raise OmegaConf's errors, such as that of `${nothing}`, as a ConfigError."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).partition("\n")[0]) from error


def plain_values(config: DictConfig, hydra_config: HydraConf) -> dict[str, Any]:
    """Return the config without Hydra's part; paths are absolute if jobs change the folder."""
    values = plain(config)
    return located(values, hydra_config.runtime.cwd) if hydra_config.job.chdir else values


def warn_of_launcher(hydra_config: HydraConf) -> None:
    """Warn of a launcher that leaves the other jobs alone when one dies."""
    choice = hydra_config.runtime.choices["hydra/launcher"]
    if not str(hydra_config.launcher["_target_"]).startswith(PATIENT_LAUNCHERS):
        ours = "slurm" if choice == "submitit_slurm" else "local_parallel"
        log.warning(
            "hydra/launcher=%s: a job that dies ends the sweep; hydra/launcher=%s does the others",
            choice,
            ours,
        )


def write_hydra_files(folder: Path, config: DictConfig) -> None:
    """Write `.hydra/` as Hydra would, but into a folder that was checked, and whole."""
    hydra_config = HydraConfig.instance().cfg
    assert hydra_config is not None
    parts = {
        "config": config,
        "hydra": hydra_config,
        "overrides": HydraConfig.get().overrides.task,
    }
    for name, part in parts.items():
        write_text(folder / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(part))

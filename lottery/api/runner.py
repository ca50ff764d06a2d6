"""`lottery.run`: the command `lottery` from Python."""

import multiprocessing
import signal
import sys
from collections.abc import Mapping
from typing import Any

from lottery.api.load import Run, load_run
from lottery.config import ConfigError, prepare
from lottery.config.compose import compose_run
from lottery.config.overrides import as_overrides
from lottery.runs.lifecycle import run_experiment
from lottery.runs.process_group import find_process_rank
from lottery.signals import Stopped


def run(*overrides: str | Mapping[str, Any]) -> Run:
    """Do one run, or carry it on, or find it finished, as `lottery OVERRIDES...` does.

    Args:
        overrides: as on the command line, such as "dataset=mnist", "rounds=3", or dicts with the
            same keys, dotted or nested: {"dataset": "mnist", "pruning": {"rate": 0.3}}.

    Returns:
        The run, as `load_run` returns it.

    Raises:
        ConfigError: a mistake in the config.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(
            "lottery.run with several devices: in a script, put it behind "
            "`if __name__ == '__main__':`; the workers import the script too"
        )
    composed = compose_run(as_overrides(overrides))
    config, path = composed.config, composed.path
    if config.get("dry_run"):
        raise ConfigError("dry_run=true: for the command `lottery`, which prints what it checked")
    try:
        run_experiment(prepare(config, path, find_process_rank(config)), wait=False)
    except Stopped as stop:
        if stop.signum == signal.SIGINT:
            raise KeyboardInterrupt(str(stop)) from None
        sys.exit(128 + stop.signum)
    return load_run(path)

"""Running and reading experiments from Python.

Names are imported when they are used: the command needs none of them, nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lottery.api.comparing import compare as compare
    from lottery.api.history_arrays import histories as histories
    from lottery.api.load import Run as Run
    from lottery.api.load import load_run as load_run
    from lottery.api.load import load_runs as load_runs
    from lottery.api.load import load_ticket as load_ticket
    from lottery.api.runner import run as run
    from lottery.config import ConfigError as ConfigError

MODULES = {
    "compare": "lottery.api.comparing",
    "histories": "lottery.api.history_arrays",
    "run": "lottery.api.runner",
    **dict.fromkeys(("Run", "load_run", "load_runs", "load_ticket"), "lottery.api.load"),
    "ConfigError": "lottery.config",
}


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return getattr(import_module(MODULES[name]), name)
    raise AttributeError(f"module 'lottery.api' has no attribute {name!r}")

"""The public names of `lottery`, imported only when they are used (PEP 562).

`import lottery` costs nothing; `lottery.load_run` does not import torch, `lottery.run` does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lottery.api import (
        ConfigError,
        Run,
        compare,
        histories,
        load_run,
        load_runs,
        load_ticket,
        run,
    )

__all__ = [
    "ConfigError",
    "Run",
    "compare",
    "histories",
    "load_run",
    "load_runs",
    "load_ticket",
    "run",
]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("lottery.api"), name)
    raise AttributeError(f"module 'lottery' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

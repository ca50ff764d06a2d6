"""A bar on a terminal while files are downloaded and images are read."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from rich import progress
from rich.console import Console

T = TypeVar("T")


def track(items: Iterable[T], what: str, total: float | None) -> Iterable[T]:
    """Give the items one by one; show what is done, and how far, if stderr is a terminal."""
    return progress.track(
        items,
        description=what,
        total=total,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )

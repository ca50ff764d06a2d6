"""A bar on a terminal while files are downloaded and images are read."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from rich import progress
from rich.console import Console

T = TypeVar("T")


def track(items: Iterable[T], what: str, total: float | None) -> Iterable[T]:
    """Give the items one by one and show how far they are, if standard error is a terminal.

    Args:
        items: to give.
        what: is done with them.
        total: how many there are; None if it is not known.
    """
    return progress.track(
        items,
        description=what,
        total=total,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )

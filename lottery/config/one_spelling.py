"""One spelling for equal values, for the key of a run."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lottery.record.durations import parse_duration


def canonical_duration(value: Any) -> Any:
    """Return a duration as its canonical text; a list of them item by item."""
    if isinstance(value, list):
        return [canonical_duration(item) for item in value]
    try:
        return parse_duration(value).canonical()
    except ValueError:  # a wrong value is reported later
        return value


def canonical_number(value: Any) -> Any:
    """Return 1 for 1.0, also inside a list; a mapping becomes its pairs."""
    if isinstance(value, list):
        return [canonical_number(item) for item in value]
    if isinstance(value, Mapping):
        # Pairs in their order: in pruning.rates the first match wins.
        return [[key, canonical_number(item)] for key, item in value.items()]
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**63
    return int(value) if whole else value


def trunk_name(run: Any, seed: Any) -> str:
    """Return the name of the trunk's setting, followed by its seed if that is another one."""
    path = Path(os.path.normpath(Path(str(run)).absolute()))
    if path.name == f"seed_{seed}":
        return path.parent.name
    return "/".join(path.parts[-2:]) if re.fullmatch(r"seed_\d+", path.name) else path.name

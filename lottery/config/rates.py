"""The pruning rate of each layer: `pruning.rates`, else the model's own, else `pruning.rate`."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from lottery.config.rules import BELOW_1
from lottery.config.settings import Settings
from lottery.errors import ConfigError
from lottery.pruning import Scope, trait

RATE = "a number >= 0 and below 1, or '0.5x' for half of pruning.rate"


def choose_rates(
    settings: Settings, scope: Scope, *, prunable: Sequence[str], candidates: Sequence[str]
) -> dict[str, float]:
    """Return the pruning rate of each prunable weight. Patterns may match any candidate."""
    own = settings.pruning.rates
    key, rules = ("model.rates", settings.model.rates) if own is None else ("pruning.rates", own)
    rate = settings.pruning.rate
    pairs: list[tuple[str, float]] = []  # patterns and rates
    for pattern, value in [pair for rule in rules for pair in rule.items()]:
        if not any(fnmatchcase(name, str(pattern)) for name in candidates):
            raise ConfigError(f"{key}: {pattern!r} matches none of {', '.join(candidates)}")
        if (read := _read_rate(value, rate)) is None:
            raise ConfigError(f"{key}: {pattern}: {value}: {RATE}")
        pairs.append((str(pattern), read))
    if pairs and trait(scope, "one_rate"):
        if own is not None:
            raise ConfigError(
                f"{key}={rules}: not under scope={scope_name(scope)}, which counts over all "
                "layers; accepted: []"
            )
        pairs = []
    return {
        name: next((own for pattern, own in pairs if fnmatchcase(name, pattern)), rate)
        for name in prunable
    }


def scope_name(scope: Scope) -> str:
    """Return the name of a scope's option in conf/scope."""
    return type(scope).__name__.lower()


def _read_rate(value: Any, rate: float) -> float | None:
    """Return the rate that a value stands for, if it is one."""
    factor = re.fullmatch(r"(\d+\.?\d*|\.\d+)x", str(value))
    own = float(factor[1]) * rate if factor else value
    return float(own) if BELOW_1.accepts(own) else None

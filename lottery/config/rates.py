"""The pruning rate of each layer: `pruning.rates`, else the model's own, else `pruning.rate`."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from lottery.config.groups import Node
from lottery.config.rules import SHARE
from lottery.config.settings import Settings
from lottery.errors import ConfigError
from lottery.pruning import Scope, trait

RATE = "a number >= 0 and below 1, or '0.5x' for half of pruning.rate"


def choose_rates(
    settings: Settings, scope: Scope, prunable: Sequence[str], candidates: Sequence[str]
) -> dict[str, float]:
    """Return the pruning rate of each layer.

    Args:
        settings: the run's settings.
        scope: may count over all layers, which have one rate then.
        prunable: names of the weights that are pruned.
        candidates: names of the weights that patterns may match.

    Raises:
        ConfigError: a pattern matches nothing, a value is no rate, or the scope has one rate.
    """
    rate, own = settings.pruning.rate, settings.pruning.rates
    rules = settings.model.rates if own is None else own
    key = "model.rates" if own is None else "pruning.rates"
    pairs = _read_rules(rules, rate, key, candidates)
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


def _read_rules(
    rules: Sequence[Node], rate: float, key: str, candidates: Sequence[str]
) -> list[tuple[str, float]]:
    pairs = [(str(pattern), value) for rule in rules for pattern, value in rule.items()]
    for pattern, _ in pairs:
        if not any(fnmatchcase(name, pattern) for name in candidates):
            raise ConfigError(f"{key}: {pattern!r} matches none of {', '.join(candidates)}")
    return [(pattern, _read_rate(pattern, value, rate, key)) for pattern, value in pairs]


def _read_rate(pattern: str, value: Any, rate: float, key: str) -> float:
    factor = re.fullmatch(r"(\d+\.?\d*|\.\d+)x", str(value))
    result = float(factor[1]) * rate if factor else value
    if isinstance(result, bool) or (result != 0 and not SHARE.accepts(result)):
        raise ConfigError(f"{key}: {pattern}: {value}: {RATE}")
    return float(result)

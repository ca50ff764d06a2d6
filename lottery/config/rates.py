"""How much of each layer a round removes: `pruning.rate`, `pruning.rates` and the model's own."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from lottery.config.rules import SHARE
from lottery.errors import ConfigError

RATE = "a number >= 0 and below 1, or '0.5x' for half of pruning.rate"
OURS = "lottery.pruning."
ONE_RATE = ("Global", "Erk", "Balanced")  # scopes that count over all layers


def choose_rates(
    config: Mapping[str, Any], prunable: Sequence[str], candidates: Sequence[str]
) -> dict[str, float]:
    """The pruning rate of each layer: `pruning.rates`, else the model's own, else `pruning.rate`.

    Args:
        config: the composed config.
        prunable: the weights that are pruned.
        candidates: the weights that patterns may name.

    Raises:
        ConfigError: a pattern matches nothing, a rate is none, or scope is global.
    """
    rate, own = config["pruning"]["rate"], config["pruning"]["rates"]
    rules = config["model"].get("rates", []) if own is None else own
    key = "model.rates" if own is None else "pruning.rates"
    pairs = _read_rules(rules, rate, key, candidates)
    if pairs and (scope := one_rate_scope(config)):
        if own is not None:
            raise ConfigError(
                f"{key}={rules}: not under scope={scope}, which counts over all layers; "
                "accepted: []"
            )
        pairs = []
    return {
        name: next((own for pattern, own in pairs if fnmatchcase(name, pattern)), rate)
        for name in prunable
    }


def one_rate_scope(config: Mapping[str, Any]) -> str | None:
    """The scope's name where one rate serves all layers together, else None."""
    scope = our_class(config, "scope")
    return scope.lower() if scope in ONE_RATE else None


def our_class(config: Mapping[str, Any], group: str) -> str:
    """The class of a criterion or scope of ours; nothing for a user's own."""
    target = str(config[group].get("_target_"))
    return target.removeprefix(OURS) if target.startswith(OURS) else ""


def _read_rules(
    rules: Any, rate: float, key: str, candidates: Sequence[str]
) -> list[tuple[str, float]]:
    if not isinstance(rules, list) or not all(isinstance(rule, Mapping) for rule in rules):
        raise ConfigError(f"{key}={rules}: a list of patterns and rates, [{{'output*': 0.5x}}]")
    pairs = [(str(pattern), value) for rule in rules for pattern, value in rule.items()]
    for pattern, _ in pairs:
        if not any(fnmatchcase(name, pattern) for name in candidates):
            raise ConfigError(f"{key}: {pattern!r} matches none of {', '.join(candidates)}")
    return [(pattern, _read_rate(pattern, value, rate, key)) for pattern, value in pairs]


def _read_rate(pattern: str, value: Any, rate: float, key: str) -> float:
    factor = re.fullmatch(r"(\d+\.?\d*|\.\d+)x", str(value))
    result = float(factor[1]) * rate if factor else value
    if isinstance(result, bool) or (result != 0 and not SHARE[0](result)):
        raise ConfigError(f"{key}: {pattern}: {value}: {RATE}")
    return float(result)

"""What is pruned, at which rates, by what: `pruning`, `criterion` and `scope`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from lottery.build.check import SHARE
from lottery.build.errors import ConfigError
from lottery.build.identity import copies_masks
from lottery.build.make import make
from lottery.build.parts import without
from lottery.build.trunk import check_trunk, find_trunk
from lottery.masks import Masks, select
from lottery.pruning import CopiedPruner, Layer, Pruner, Scope, ScoredPruner
from lottery.tensors import Tensors, load_tensors

RATE = "a number >= 0 and below 1, or '0.5x' for half of pruning.rate"


@dataclass(frozen=True)
class PruningPlan:
    """What is pruned, by what.

    Args:
        prunable: names of the weights.
        rates: pruning rate of each; empty where masks are copied.
        scope: counts the weights that stay.
        pruner: makes the masks.
        notes: what a user should know of settings that have no effect.
    """

    prunable: list[str]
    rates: Mapping[str, float]
    scope: Scope
    pruner: Pruner
    notes: list[str]


def plan_pruning(config: Mapping[str, Any], weights: Tensors) -> PruningPlan:
    """`pruning`, `criterion` and `scope`, checked against the network.

    Args:
        config: the composed config.
        weights: the network's Linear and Conv weights.

    Raises:
        ConfigError: something does not fit.
    """
    copied = copies_masks(config)
    if copied:
        check_trunk(config, weights)
    prunable = choose_prunable(config, weights)
    rates = {} if copied else choose_rates(config, prunable, list(weights))
    scope: Scope = make(config["scope"], "scope")
    pruner = build_pruner(config, rates, scope)
    return PruningPlan(prunable, rates, scope, pruner, _notes(config))


def choose_prunable(config: Mapping[str, Any], weights: Tensors) -> list[str]:
    """`pruning.only` less `pruning.exclude`; a copying run prunes what its trunk pruned.

    Args:
        config: the composed config.
        weights: the network's Linear and Conv weights.

    Raises:
        ConfigError: a pattern matches nothing, or nothing is left.
    """
    if copies_masks(config):
        masks = load_tensors(find_trunk(config).round(0).masks)
        return [name for name in weights if name in masks]
    try:
        return select(weights, config["pruning"]["only"], config["pruning"]["exclude"])
    except ValueError as error:
        raise ConfigError(f"pruning.{error}") from error


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
    if pairs and is_global(config):
        if own is not None:
            raise ConfigError(
                f"{key}={rules}: not under scope=global, which compares all layers; accepted: []"
            )
        pairs = []
    return {
        name: next((own for pattern, own in pairs if fnmatchcase(name, pattern)), rate)
        for name in prunable
    }


def is_global(config: Mapping[str, Any]) -> bool:
    """Whether one threshold serves all layers."""
    return bool(config["scope"]["_target_"] == "lottery.pruning.Global")


def _notes(config: Mapping[str, Any]) -> list[str]:
    if copies_masks(config):
        return ["criterion=copy: scope and the rates and patterns of pruning have no effect"]
    pruning = config["pruning"]
    if is_global(config) and pruning["rates"] is None and config["model"].get("rates"):
        return ["scope=global: the model's own pruning rates do not apply"]
    return []


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


def build_pruner(config: Mapping[str, Any], rates: Mapping[str, float], scope: Scope) -> Pruner:
    """`criterion`: a scored pruner, or a copying one."""
    if not copies_masks(config):
        steps = config["pruning"]["one_shot"] or 1
        return ScoredPruner(make(config["criterion"], "criterion"), scope, rates, steps)
    trunk = find_trunk(config)

    def load(number: int) -> Masks:
        return load_tensors(trunk.round(number).masks)

    pruner: CopiedPruner = make(
        without(config["criterion"], ("run", "rounds")), "criterion", load=load
    )
    return pruner


def ladder(scope: Scope, sizes: Mapping[str, int], rates: Mapping[str, float], k: int) -> float:
    """Share of the prunable weights left after k prunings.

    Args:
        scope: what counts.
        sizes: weights per layer.
        rates: per layer.
        k: prunings.
    """
    layers = {name: Layer(size, rates[name]) for name, size in sizes.items()}
    left = scope.keep(layers, k)
    return (left if isinstance(left, int) else sum(left.values())) / sum(sizes.values())

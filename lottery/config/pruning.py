"""What is pruned, by what: `pruning`, `criterion` and `scope`."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from lottery.config.copied_masks import check_trunk, find_trunk
from lottery.config.groups import without
from lottery.config.instantiate import make
from lottery.config.rates import choose_rates, one_rate_scope, our_class
from lottery.config.run_key import copies_masks
from lottery.errors import ConfigError
from lottery.masks import Masks, select
from lottery.pruning import CopiedPruner, Layer, Pruner, Scope, ScoredPruner, Units
from lottery.tensors import Tensors, load_tensors

COMPARING = ("Movement", "MagnitudeIncrease", "LargeInitLargeFinal")  # two ends of a training
SIGNED = ("Grasp", "MagnitudeIncrease")  # scores that have no norm


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
    _check_combination(config)
    pruner = build_pruner(config, rates, scope)
    return PruningPlan(prunable, rates, scope, pruner, _notes(config, weights))


def choose_prunable(config: Mapping[str, Any], weights: Tensors) -> list[str]:
    """`pruning.only` less `pruning.exclude`; a copying run prunes what its trunk pruned.

    Where whole units are pruned, the last layer of the network keeps its own: they are classes.

    Args:
        config: the composed config.
        weights: the network's Linear and Conv weights.

    Raises:
        ConfigError: a pattern matches nothing, or nothing is left.
    """
    if copies_masks(config):
        masks = load_tensors(find_trunk(config).round(0).masks)
        return [name for name in weights if name in masks]
    pruning = config["pruning"]
    try:
        chosen = select(weights, pruning["only"], pruning["exclude"])
    except ValueError as error:
        raise ConfigError(f"pruning.{error}") from error
    if pruning["units"] == "none":
        return chosen
    last = list(weights)[-1]
    if chosen == [last]:
        raise ConfigError(f"pruning.units={pruning['units']}: {last} must keep its outputs")
    return [name for name in chosen if name != last]


def _check_combination(config: Mapping[str, Any]) -> None:
    """Refuse what can be combined but means nothing."""
    if copies_masks(config):
        return
    pruning, criterion = config["pruning"], our_class(config, "criterion")
    if pruning["at"] == "init" and criterion in COMPARING:
        raise ConfigError(
            f"pruning.at=init: criterion {criterion} compares trained weights with initial ones, "
            "which are the same there; accepted: trained"
        )
    if pruning["units"] == "none":
        return
    if criterion in SIGNED:
        raise ConfigError(
            f"pruning.units={pruning['units']}: the scores of criterion {criterion} can be "
            "negative, and have no norm; accepted: none"
        )
    if criterion == "Random" and our_class(config, "scope") == "Global":
        raise ConfigError(
            f"pruning.units={pruning['units']}: under scope=global norms grow with the size of a "
            "unit, and criterion Random would prune the small ones first; accepted: "
            "scope=layerwise"
        )
    if our_class(config, "scope") in ("Erk", "Balanced"):
        raise ConfigError(
            f"pruning.units={pruning['units']}: scope={one_rate_scope(config)} counts weights; "
            "accepted: scope=layerwise, scope=global"
        )


def _notes(config: Mapping[str, Any], weights: Tensors) -> list[str]:
    if copies_masks(config):
        return ["criterion=copy: scope and the rates and patterns of pruning have no effect"]
    pruning, notes = config["pruning"], []
    scope = one_rate_scope(config)
    if scope and pruning["rates"] is None and config["model"].get("rates"):
        notes.append(f"scope={scope}: the model's own pruning rates do not apply")
    if pruning["units"] != "none":
        last = list(weights)[-1]
        notes.append(f"pruning.units={pruning['units']}: {last} keeps all of its outputs")
    return notes


def build_pruner(config: Mapping[str, Any], rates: Mapping[str, float], scope: Scope) -> Pruner:
    """`criterion`: a scored pruner, or a copying one."""
    if not copies_masks(config):
        pruning, node = config["pruning"], config["criterion"]
        return ScoredPruner(
            make(without(node, ("iterations",)), "criterion"),
            scope,
            rates,
            steps=pruning["one_shot"] or 1,
            iterations=node.get("iterations", 1),
            units=pruning["units"],
        )
    trunk = find_trunk(config)

    def load(number: int) -> Masks:
        return load_tensors(trunk.round(number).masks)

    pruner: CopiedPruner = make(
        without(config["criterion"], ("run", "rounds")), "criterion", load=load
    )
    return pruner


def ladder(
    scope: Scope,
    shapes: Mapping[str, tuple[int, ...]],
    rates: Mapping[str, float],
    k: int,
    units: Units = "none",
) -> float:
    """Share of the prunable weights, or units, left after k prunings.

    Args:
        scope: what counts.
        shapes: of each layer's weight.
        rates: per layer.
        k: prunings.
        units: what is counted.
    """
    sizes = {name: prod(shape) if units == "none" else shape[0] for name, shape in shapes.items()}
    layers = {
        name: Layer(sizes[name], rates[name], tuple(shape)) for name, shape in shapes.items()
    }
    left = scope.keep(layers, k)
    return sum(left.values()) / sum(sizes.values())

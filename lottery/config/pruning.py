"""What is pruned, at which rates, and by what: `pruning`, `criterion` and `scope`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import prod
from typing import Any

from torch import nn

from lottery.config.copied_masks import inspect_trunk
from lottery.config.groups import BELOW_1
from lottery.config.instantiate import check_made, make
from lottery.config.learned_masks import learned_pruner
from lottery.config.settings import Settings
from lottery.errors import ConfigError
from lottery.masks import Masks, layer_weights, prunable_weights, select
from lottery.pruning import Criterion, Layer, Pruner, Scope, ScoredPruner, trait
from lottery.record.opened_run import OpenedRun
from lottery.tensors import load_of_run

Parameters = Mapping[str, nn.Parameter]
TRANSPOSED = nn.modules.conv._ConvTransposeNd

RATE = "a number >= 0 and below 1, or '0.5x' for half of pruning.rate"


@dataclass(frozen=True)
class PruningSetup:
    """What is pruned, and by what."""

    prunable: list[str]  # names of weights
    scope: Scope
    pruner: Pruner
    rates: Mapping[str, float] = field(default_factory=dict)  # by weight; none for copied masks
    notes: list[str] = field(default_factory=list)  # for the user: settings without effect
    digests: Mapping[str, str] = field(default_factory=dict)  # of copied masks

    @property
    def runs_network(self) -> bool:
        """Whether the scores come from running the network."""
        if not isinstance(self.pruner, ScoredPruner):
            return False
        criterion = self.pruner.criterion
        return bool(trait(criterion, "num_examples") or trait(criterion, "runs_on_ones"))

    @property
    def examples_scored(self) -> int:
        """How many passes of one example, forward and backward, make a round's masks."""
        if not isinstance(self.pruner, ScoredPruner):
            return 0
        criterion = self.pruner.criterion
        examples = trait(criterion, "num_examples") or int(trait(criterion, "runs_on_ones"))
        return int(self.pruner.iterations * examples * trait(criterion, "passes"))


def set_up_pruning(
    settings: Settings, network: nn.Module, num_classes: int | None = None
) -> PruningSetup:
    """Build the pruner and check it against the network; `num_classes` if targets are classes."""
    scope: Scope = make(settings.scope.node, "scope")
    check_made(scope, settings.scope.node, "scope", "keep", "__call__")
    if settings.copying:
        return _copied(settings, network, scope)
    try:
        weights = prunable_weights(network, settings.pruning.also)
    except ValueError as error:
        raise ConfigError(f"pruning.{error}") from error
    prunable, last = choose_prunable(settings, weights), _last_layer(network, weights)
    if settings.pruning.units != "none":
        prunable = _with_units(settings, network, prunable=prunable, last=last)
    rates = choose_rates(settings, scope, prunable=prunable, candidates=list(weights))
    criterion: Criterion = make(settings.criterion.node, "criterion", num_classes=num_classes)
    check_made(criterion, settings.criterion.node, "criterion", "__call__")
    _check_combination(settings, criterion, scope)
    scored = ScoredPruner(
        criterion,
        scope,
        rates,
        steps=settings.pruning.one_shot or 1,
        iterations=settings.criterion.iterations,
        units=settings.pruning.units,  # type: ignore[arg-type]  # the settings have checked both
        inverted=settings.criterion.inverted,
        ties=settings.scope.ties,  # type: ignore[arg-type]  # as above
    )
    notes = _notes(settings, scope, last=last)
    pruner = learned_pruner(settings, scope, scored)
    setup = PruningSetup(prunable, scope, pruner, rates=rates, notes=notes)
    shapes = {name: tuple(weights[name].shape) for name in prunable}
    prunings = settings.num_prunings(settings.rounds_to_do[-1])
    units = settings.pruning.units != "none"
    if prunings and ladder(setup, shapes, prunings, units=units) == 1:
        rate = settings.pruning.rate
        key = f"pruning.rate={rate:g}" if rate in rates.values() else "pruning.rates"
        what = "filter or neuron" if units else "weight"
        notes.append(f"{key}: no {what} is pruned in any round")
    return setup


def _copied(settings: Settings, network: nn.Module, scope: Scope) -> PruningSetup:
    """Set up a run that prunes what its trunk pruned."""
    weights = {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}
    prunable, digests = inspect_trunk(settings, weights)
    trunk, node = OpenedRun(settings.trunk), settings.criterion.node

    def load(number: int) -> Masks:
        return load_of_run(trunk, trunk.folder.round(number).masks)

    node = {name: value for name, value in node.items() if name not in ("run", "rounds")}
    return PruningSetup(
        prunable,
        scope,
        make(node, "criterion", load=load),
        notes=["criterion=copy: scope and the rates and patterns of pruning have no effect"],
        digests=digests,
    )


def choose_prunable(settings: Settings, weights: Parameters) -> list[str]:
    """Return `pruning.only` without `pruning.exclude`."""
    pruning = settings.pruning
    try:
        chosen = select(weights, pruning.only, pruning.exclude)
    except ValueError as error:
        raise ConfigError(f"pruning.{error}") from error
    for name in chosen:
        if ".parametrizations." in name:
            raise ConfigError(
                f"pruning.also: {name}: a weight is computed from it in each forward pass; only "
                "plain weights can be pruned"
            )
    for pattern in pruning.also:
        if not any(fnmatchcase(name, pattern) for name in chosen):
            raise ConfigError(
                f"pruning.also: {pattern!r} is left out again by pruning.only or pruning.exclude"
            )
    return chosen


def _last_layer(network: nn.Module, weights: Parameters) -> str:
    """Return the name of the last layer's weight, whose outputs are the classes."""
    names = {id(weight): name for name, weight in weights.items()}
    layers = [names[id(w)] for w in layer_weights(network) if id(w) in names]
    return (layers or list(weights))[-1]


def _with_units(
    settings: Settings, network: nn.Module, *, prunable: Sequence[str], last: str
) -> list[str]:
    """Return what can lose whole units: all but the last layer, which must keep its outputs."""
    units = f"pruning.units={settings.pruning.units}"
    if list(prunable) == [last]:
        raise ConfigError(f"{units}: {last} must keep its outputs")
    parameters = dict(network.named_parameters())
    inputs_first = {id(m.weight) for m in network.modules() if isinstance(m, TRANSPOSED)}
    chosen = [name for name in prunable if name != last]
    for name in chosen:
        why = ""
        if id(parameters[name]) in inputs_first:
            why = "the rows of a transposed convolution are inputs"
        elif parameters[name].dim() < 2:
            why = "it has no rows"
        if why:
            raise ConfigError(f"{units}: {name}: {why}; pruning.exclude leaves it out")
    return chosen


def choose_rates(
    settings: Settings, scope: Scope, *, prunable: Sequence[str], candidates: Sequence[str]
) -> dict[str, float]:
    """Return the pruning rate of each prunable weight. Patterns may match any candidate.

    It is that of `pruning.rates`, else of the model's own rates, else `pruning.rate`.
    """
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
                f"{key}={rules}: not under scope={_scope_name(scope)}, which counts over all "
                "layers; accepted: []"
            )
        pairs = []
    return {
        name: next((own for pattern, own in pairs if fnmatchcase(name, pattern)), rate)
        for name in prunable
    }


def _read_rate(value: Any, rate: float) -> float | None:
    factor = re.fullmatch(r"(\d+\.?\d*|\.\d+)x", str(value))
    own = float(factor[1]) * rate if factor else value
    return float(own) if BELOW_1.accepts(own) else None


def _scope_name(scope: Scope) -> str:
    """Return the name of a scope's option in conf/scope."""
    return type(scope).__name__.lower()


def _check_combination(settings: Settings, criterion: Criterion, scope: Scope) -> None:
    """Refuse what can be combined but means nothing."""
    units, name = f"pruning.units={settings.pruning.units}", type(criterion).__name__
    if settings.pruning.at == "init" and trait(criterion, "compares_ends"):
        raise ConfigError(
            f"pruning.at=init: criterion {name} compares trained weights with initial ones, "
            "which are the same there; accepted: trained"
        )
    if settings.pruning.units == "none":
        return
    if trait(criterion, "signed"):
        raise ConfigError(
            f"{units}: the scores of criterion {name} can be negative, and have no norm; "
            "accepted: none"
        )
    if not trait(scope, "counts_units"):
        raise ConfigError(
            f"{units}: scope={_scope_name(scope)} counts weights; accepted: scope=layerwise, "
            "scope=global"
        )
    if trait(criterion, "by_chance") and trait(scope, "compares_layers"):
        raise ConfigError(
            f"{units}: under scope={_scope_name(scope)} norms grow with the size of a unit, and "
            f"criterion {name} would prune the small ones first; accepted: scope=layerwise"
        )


def _notes(settings: Settings, scope: Scope, last: str) -> list[str]:
    pruning, notes = settings.pruning, []
    if trait(scope, "one_rate") and pruning.rates is None and settings.model.rates:
        notes.append(f"scope={_scope_name(scope)}: the model's own pruning rates do not apply")
    if pruning.units != "none":
        notes.append(f"pruning.units={pruning.units}: {last} keeps all of its outputs")
    return notes


def ladder(
    setup: PruningSetup, shapes: Mapping[str, tuple[int, ...]], k: int, *, units: bool = False
) -> float:
    """Return the share of the prunable weights, or units, that is left after k prunings."""
    sizes = {name: shape[0] if units else prod(shape) for name, shape in shapes.items()}
    layers = {
        name: Layer(sizes[name], setup.rates[name], tuple(shape)) for name, shape in shapes.items()
    }
    return sum(setup.scope.keep(layers, k).values()) / sum(sizes.values())

"""What is pruned, and by what: `pruning`, `criterion` and `scope`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import filter as fnmatch_filter
from math import prod

from torch import nn

from lottery.config.copied_masks import inspect_trunk
from lottery.config.instantiate import make
from lottery.config.rates import choose_rates, scope_name
from lottery.config.settings import Settings
from lottery.errors import ConfigError
from lottery.masks import Masks, layer_weights, prunable_weights, select
from lottery.pruning import Criterion, Layer, Pruner, Scope, ScoredPruner, trait
from lottery.tensors import load_tensors

Parameters = Mapping[str, nn.Parameter]
TRANSPOSED = nn.modules.conv._ConvTransposeNd


@dataclass(frozen=True)
class PruningSetup:
    """What is pruned, and by what.

    Args:
        prunable: names of the weights that can be pruned.
        scope: counts the weights that stay.
        pruner: makes the masks.
        rates: pruning rate of each weight; empty if masks are copied.
        notes: lines for the user about settings that have no effect.
        digests: digests of copied masks.
    """

    prunable: list[str]
    scope: Scope
    pruner: Pruner
    rates: Mapping[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    digests: Mapping[str, str] = field(default_factory=dict)


def set_up_pruning(settings: Settings, network: nn.Module) -> PruningSetup:
    """Build the pruner and check it against the network."""
    scope: Scope = make(settings.scope, "scope")
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
    criterion: Criterion = make(settings.criterion.node, "criterion")
    _check_combination(settings, criterion, scope)
    pruner = ScoredPruner(
        criterion,
        scope,
        rates,
        steps=settings.pruning.one_shot or 1,
        iterations=settings.criterion.iterations,
        units=settings.pruning.units,  # type: ignore[arg-type]  # the settings have checked it
    )
    notes = _notes(settings, scope, last=last)
    return PruningSetup(prunable, scope, pruner, rates=rates, notes=notes)


def _copied(settings: Settings, network: nn.Module, scope: Scope) -> PruningSetup:
    """Set up a run that prunes what its trunk pruned."""
    weights = {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}
    prunable, digests = inspect_trunk(settings, weights)
    trunk = settings.trunk

    def load(number: int) -> Masks:
        return load_tensors(trunk.round(number).masks)

    ours = ("run", "rounds")
    node = {name: value for name, value in settings.criterion.node.items() if name not in ours}
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
    for pattern in pruning.also:
        if not fnmatch_filter(chosen, pattern):
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
            f"{units}: scope={scope_name(scope)} counts weights; accepted: scope=layerwise, "
            "scope=global"
        )
    if trait(criterion, "by_chance") and trait(scope, "compares_layers"):
        raise ConfigError(
            f"{units}: under scope={scope_name(scope)} norms grow with the size of a unit, and "
            f"criterion {name} would prune the small ones first; accepted: scope=layerwise"
        )


def _notes(settings: Settings, scope: Scope, last: str) -> list[str]:
    pruning, notes = settings.pruning, []
    if trait(scope, "one_rate") and pruning.rates is None and settings.model.rates:
        notes.append(f"scope={scope_name(scope)}: the model's own pruning rates do not apply")
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

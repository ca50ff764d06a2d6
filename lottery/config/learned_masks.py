"""`criterion=edge_popup`: masks that are learned over frozen weights."""

from collections.abc import Callable

import torch

from lottery.config.rules import show
from lottery.config.settings import Settings
from lottery.errors import ConfigError
from lottery.masks import Masks
from lottery.pruning import LearnedPruner, Pruner, Scope, ScoredPruner, trait
from lottery.pruning.learned import draw_scores
from lottery.reinit import Reinit
from lottery.seeds import derive_seed
from lottery.tensors import Tensors

NAME = "criterion=edge_popup"


def learned_pruner(settings: Settings, scope: Scope, scored: ScoredPruner) -> Pruner:
    """Return the pruner of a criterion, which may be one that learns its masks."""
    if not trait(scored.criterion, "learns_masks"):
        return scored
    refused = {
        "module._target_": ((settings.module or {}).get("_target_"), None),
        "dynamic._target_": ((settings.dynamic or {}).get("_target_"), None),
        "pruning.units": (settings.pruning.units, "none"),
        "scope.ties": (settings.scope.ties, "index"),
        "criterion.iterations": (settings.criterion.iterations, 1),
        "criterion.inverted": (settings.criterion.inverted, False),
        "optimizer.clip_norm": (settings.optimizer.clip_norm, None),
        "early_bird.epsilon": (settings.early_bird.epsilon, None),
        "early_stopping.patience": (settings.early_stopping.patience, None),
    }
    for key, (value, accepted) in refused.items():
        if value != accepted:
            raise ConfigError(f"{key}={show(value)}: not with {NAME}; accepted: {show(accepted)}")
    if trait(scope, "compares_layers"):
        raise ConfigError(
            f"scope={type(scope).__name__.lower()}: {NAME} compares the scores of one layer; "
            "accepted: layerwise, erk, balanced"
        )
    return LearnedPruner(scored)


def check_frozen_weights(settings: Settings, pruner: Pruner, reinit: Reinit) -> None:
    """Check that the reinit names weights that are dense, and not trained in the round before."""
    if not isinstance(pruner, LearnedPruner):
        return
    if reinit.source == "last":
        raise ConfigError(
            f"reinit._target_={settings.reinit['_target_']}: {NAME} freezes dense weights; "
            "accepted: reinit=rewind, none, sign, random"
        )
    if settings.reinit.get("optimizer_state") == "restored":
        raise ConfigError(
            f"reinit.optimizer_state=restored: {NAME} trains scores, which the dense run has not; "
            "accepted: fresh"
        )


def score_maker(pruner: Pruner, seed: int) -> Callable[[int, Masks], Tensors] | None:
    """Return what draws a round's scores, as the pruner does; None if none are trained."""
    if not isinstance(pruner, LearnedPruner):
        return None

    def draw(number: int, masks: Masks) -> Tensors:
        return draw_scores(masks, torch.Generator().manual_seed(derive_seed(seed, number)))

    return draw

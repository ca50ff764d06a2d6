"""Small layers of random weights, as criteria and pruners get them."""

from collections.abc import Mapping

import torch

from lottery.masks import Masks, ones
from lottery.pruning import Trained
from lottery.tensors import Tensors


def toy_weights(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> Tensors:
    """Return normal weights by name, rounded so that some are equal."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator).round(decimals=1)
        for name, shape in shapes.items()
    }


def toy_trained(
    weights: Tensors,
    masks: Masks | None = None,
    *,
    initial: Tensors | None = None,
    seed: int = 0,
    round_number: int = 1,
) -> Trained:
    """Return what a criterion sees; by default nothing is pruned and all initial weights are 0."""
    zeros = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    return Trained(
        round=round_number,
        weights=weights,
        initial=initial or zeros,
        masks=masks or ones(weights),
        generator=torch.Generator().manual_seed(seed),
    )

"""Equal scores in a random order."""

import torch

from lottery.masks import Masks
from lottery.tensors import Tensors


def in_random_order(scores: Tensors, masks: Masks, generator: torch.Generator) -> Tensors:
    """Return ranks of the scores of all layers together; equal scores get theirs by chance.

    No two ranks are equal, so a scope that compares them has no ties to break. (In their order of
    indices, the first neurons of a layer would lose nothing and the last ones all: Zhou et al.
    2019 break ties at random.)

    Args:
        scores: by layer.
        masks: in the network's order.
        generator: on the CPU.

    Example:
        >>> scores = {"w": torch.tensor([7.0, 1.0, 7.0])}
        >>> ranks = in_random_order(scores, scores, torch.Generator().manual_seed(0))["w"]
        >>> sorted(ranks.tolist()), ranks.argmin().item()
        ([0.0, 1.0, 2.0], 1)
    """
    layers = [scores[name].flatten().double() + 0.0 for name in masks]  # turns -0.0 into 0.0
    joined = torch.cat(layers)
    shuffled = torch.randperm(len(joined), generator=generator).to(joined.device)
    ranks = torch.empty_like(joined)
    ranks[shuffled[joined[shuffled].argsort(stable=True)]] = torch.arange(
        len(joined), dtype=torch.float64, device=joined.device
    )
    parts = torch.split(ranks, [len(layer) for layer in layers])
    return {n: part.reshape(scores[n].shape) for n, part in zip(masks, parts, strict=True)}

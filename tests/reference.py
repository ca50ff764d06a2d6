"""Iterative magnitude pruning as a bare PyTorch loop, which the framework is compared with.

It shares nothing with the framework's own training, pruning and rewinding.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Named = dict[str, Tensor]


@dataclass(frozen=True)
class ReferenceRound:
    """What one round of the loop left."""

    masks: Named
    weights: Named
    val_losses: list[float]


def reference_imp(
    network: nn.Module,
    train: tuple[Tensor, Tensor],
    val: tuple[Tensor, Tensor],
    batches: Callable[[int], Tensor],
    rates: dict[str, float],
    *,
    rounds: int,
    lr: float,
    every: int,
) -> list[ReferenceRound]:
    """Train, prune the smallest weights of each layer, rewind to the start, repeat.

    Args:
        network: at its initial weights.
        train: inputs and targets.
        val: inputs and targets.
        batches: example indices of each step of a round, (steps, batch).
        rates: share of its surviving weights that each layer loses per round.
        rounds: prunings.
        lr: Adam's learning rate.
        every: steps between evaluations.
    """
    weights = dict(network.named_parameters())
    initial = {name: weight.detach().clone() for name, weight in weights.items()}
    masks = {name: torch.ones_like(initial[name]) for name in rates}
    done = []
    for number in range(rounds + 1):
        if number:
            masks = {name: prune(weights[name], masks[name], rates[name]) for name in rates}
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(initial[name] * masks.get(name, torch.ones(())))
        losses = train_round(network, train, val, batches(number), masks, lr, every)
        trained = {name: weight.detach().clone() for name, weight in weights.items()}
        done.append(ReferenceRound(masks, trained, losses))
    return done


def train_round(
    network: nn.Module,
    train: tuple[Tensor, Tensor],
    val: tuple[Tensor, Tensor],
    batches: Tensor,
    masks: Named,
    lr: float,
    every: int,
) -> list[float]:
    """The steps of one round; the validation losses on the way."""
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, fused=True)
    weights = dict(network.named_parameters())
    losses = []
    for step, rows in enumerate(batches, start=1):
        loss = nn.functional.cross_entropy(network(train[0][rows]), train[1][rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for name, mask in masks.items():
                weights[name].mul_(mask)
            if step % every == 0 or step == len(batches):
                losses.append(float(nn.functional.cross_entropy(network(val[0]), val[1])))
    return losses


def prune(weight: Tensor, mask: Tensor, rate: float) -> Tensor:
    """A mask without the `rate` smallest of the weights that `mask` has left."""
    alive = mask.flatten().nonzero().flatten()
    order = weight.detach().flatten()[alive].abs().argsort(stable=True)
    smaller = mask.clone().flatten()
    smaller[alive[order[: round(rate * len(alive))]]] = 0
    return smaller.reshape(mask.shape)

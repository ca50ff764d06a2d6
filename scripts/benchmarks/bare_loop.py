"""Iterative magnitude pruning as a bare PyTorch loop: what the framework is compared with.

It shares nothing with the framework's own training, pruning and rewinding, so equal weights are a
proof that these are right, and its time is what they may cost.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Named = dict[str, Tensor]
Examples = tuple[Tensor, Tensor]  # inputs, targets
MakeOptimizer = Callable[..., torch.optim.Optimizer]

EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Trained:
    """What one round of the loop left.

    Args:
        masks: 1.0 = kept.
        weights: after the last step.
        es_weights: at the lowest validation loss.
        val: validation loss and accuracy at each evaluation.
        test: the same on test, where validation had a new minimum and at the end.
    """

    masks: Named
    weights: Named
    es_weights: Named
    val: list[tuple[float, float]]
    test: list[tuple[float, float]]


@dataclass(frozen=True)
class BareLoop:
    """The training of a round.

    Args:
        train: training examples.
        val: validation examples.
        test: test examples.
        make_optimizer: called with the parameters.
        every: steps between evaluations.
        schedule: factor of the learning rate by step.
    """

    train: Examples
    val: Examples
    test: Examples
    make_optimizer: MakeOptimizer
    every: int
    schedule: Callable[[int], float]

    def __call__(self, network: nn.Module, batches: Tensor, masks: Named) -> Trained:
        """Train a network in place.

        Args:
            network: holds its start weights, under the masks.
            batches: example indices of each step, (steps, batch).
            masks: 1.0 = kept, by parameter name.
        """
        optimizer = self.make_optimizer(network.parameters())
        base_rate = optimizer.param_groups[0]["lr"]
        named = dict(network.named_parameters())
        pruned, factors = [named[name] for name in masks], list(masks.values())
        val, test, lowest, es = [], [], math.inf, {}
        for step, rows in enumerate(batches, start=1):
            optimizer.param_groups[0]["lr"] = base_rate * self.schedule(step - 1)
            loss = nn.functional.cross_entropy(network(self.train[0][rows]), self.train[1][rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                torch._foreach_mul_(pruned, factors)
            if step % self.every == 0 or step == len(batches):
                val.append(evaluate(network, self.val))
                minimum = val[-1][0] < lowest
                if minimum or step == len(batches):
                    test.append(evaluate(network, self.test))
                if minimum:
                    lowest, es = val[-1][0], copies(network)
        return Trained(masks, copies(network), es, val, test)


def bare_imp(
    loop: BareLoop,
    network: nn.Module,
    batches: Callable[[int], Tensor],
    rates: dict[str, float],
    rounds: int,
) -> list[Trained]:
    """Train, prune the smallest weights of each layer, rewind to the start, repeat.

    Args:
        loop: trains a round.
        network: at its initial weights.
        batches: example indices of each step of a round, (steps, batch).
        rates: share of its surviving weights that each layer loses per round.
        rounds: prunings.
    """
    weights = dict(network.named_parameters())
    initial = copies(network)
    masks = {name: torch.ones_like(initial[name]) for name in rates}
    done = []
    for number in range(rounds + 1):
        if number:
            masks = {name: prune(weights[name], masks[name], rates[name]) for name in rates}
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(initial[name] * masks[name] if name in masks else initial[name])
        done.append(loop(network, batches(number), masks))
    return done


def evaluate(network: nn.Module, examples: Examples) -> tuple[float, float]:
    """Mean loss and accuracy."""
    inputs, targets = examples
    loss, correct = 0.0, 0
    network.eval()
    with torch.no_grad():
        for part in range(0, len(targets), EVALUATION_BATCH):
            here = slice(part, part + EVALUATION_BATCH)
            logits = network(inputs[here])
            loss += float(nn.functional.cross_entropy(logits, targets[here], reduction="sum"))
            correct += int((logits.argmax(1) == targets[here]).sum())
    network.train()
    return loss / len(targets), correct / len(targets)


def prune(weight: Tensor, mask: Tensor, rate: float) -> Tensor:
    """A mask without the `rate` smallest of the weights that `mask` has left."""
    alive = mask.flatten().nonzero().flatten()
    order = weight.detach().flatten()[alive].abs().argsort(stable=True)
    smaller = mask.clone().flatten()
    smaller[alive[order[: round(rate * len(alive))]]] = 0
    return smaller.reshape(mask.shape)


def copies(network: nn.Module) -> Named:
    """The parameters as they are now."""
    return {name: weight.detach().clone() for name, weight in network.named_parameters()}

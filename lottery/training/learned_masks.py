"""Masks that are learned while the weights stay as they are: edge-popup's training step."""

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from lottery.masks import Masks, count_ones
from lottery.pruning.learned import choose_by_scores
from lottery.tensors import Tensors, copy_to_cpu


class LearnedMasks:
    """The scores of one round, which an optimizer trains instead of the network's weights.

    The network holds the frozen weights under the masks. Backward gives each weight a gradient,
    also where it is masked; just before the optimizer steps it becomes the gradient of the score.

    Args:
        network: holds the frozen weights, dense.
        masks: those that the round begins with; as many weights of each layer stay.
        scores: the scores that they were chosen by.
    """

    def __init__(self, network: nn.Module, masks: Masks, scores: Tensors) -> None:
        self.parameters = list(network.parameters())
        own = dict(network.named_parameters())
        self.weights = {name: own[name] for name in masks}
        self.frozen = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.keep = count_ones(masks)
        self.scores = {
            name: nn.Parameter(torch.empty_like(weight, dtype=_wide(weight)).copy_(scores[name]))
            for name, weight in self.frozen.items()
        }

    def optimizer(
        self,
        make_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        change_masks: Callable[[Masks], None],
    ) -> Optimizer:
        """Make an optimizer over the scores; after each of its steps the masks follow them."""
        for name, weight in self.weights.items():  # Lightning has moved the weights
            self.frozen[name] = self.frozen[name].to(weight.device)
            self.scores[name].data = self.scores[name].data.to(weight.device)
        optimizer = make_optimizer(self.scores.values())
        optimizer.register_step_pre_hook(lambda *_: self.take_gradients())
        optimizer.register_step_post_hook(lambda *_: change_masks(self.choose()))
        return optimizer

    def take_gradients(self) -> None:
        """Give each score s the gradient w dL/d(w m) sign(s), and take those of the network."""
        for name, score in self.scores.items():
            gradient = self.weights[name].grad
            if gradient is not None:
                by_size = gradient.to(score.dtype) * self.frozen[name]
                score.grad = by_size * score.detach().sign()
        for parameter in self.parameters:
            parameter.grad = None

    def choose(self) -> Masks:
        """Put all frozen weights into the network, and return the masks to cut them by."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(self.frozen[name])
        return self.masks()

    def masks(self) -> Masks:
        """Return the masks by the scores now."""
        return choose_by_scores({n: s.detach() for n, s in self.scores.items()}, self.keep)

    def snapshot(self) -> Tensors:
        """Return what a checkpoint keeps: the scores."""
        return copy_to_cpu({name: score.detach() for name, score in self.scores.items()})

    def restore(self, scores: Tensors) -> None:
        """Put back what a checkpoint kept."""
        with torch.no_grad():
            for name, score in self.scores.items():
                score.copy_(scores[name])


def _wide(weight: torch.Tensor) -> torch.dtype:
    """Return a type in which small steps of a score are not lost."""
    return torch.promote_types(weight.dtype, torch.float32)

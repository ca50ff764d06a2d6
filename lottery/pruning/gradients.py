"""Criteria that differentiate: gradient magnitude, SNIP and GraSP the loss, SynFlow the outputs.

They differentiate by the prunable weights alone, at the masked weights. The training examples are
drawn by the pruning seed and not augmented. BatchNorm works as in training unless `mode` is
"eval"; dropout is off.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from lottery.masks import is_bias
from lottery.models.state import State
from lottery.pruning.examples import OnExamples, check_examples, count_examples, draw_batches
from lottery.pruning.interface import Trained
from lottery.pruning.probe import Batch, Probe, differentiable, on_device_of, to_scores
from lottery.tensors import Tensors

# The trait of criteria that score on training examples: how many.
NUM_EXAMPLES = property(count_examples)


@dataclass(frozen=True)
class GradientMagnitude:
    """|dL/dw|, the mean over some batches.

    Args:
        num_batches: number of batches of training examples.
        batch_size: examples in each; "auto" is 10 times the number of classes.
        mode: BatchNorm normalises by the batch ("train") or by its running averages ("eval").
        sampling: examples are any ("random"), or as many of each class ("per_class").
        num_classes: number of classes, for the last two; None if targets are no classes.
    """

    num_batches: int
    batch_size: int | str
    mode: str = "train"
    sampling: str = "random"
    num_classes: int | None = None
    num_examples = NUM_EXAMPLES

    def __post_init__(self) -> None:
        check_examples(self)

    def __call__(self, trained: Trained) -> Tensors:
        """Return |g|."""
        gradients = _gradients(trained, self)
        return {name: gradient.abs() for name, gradient in gradients.items()}


@dataclass(frozen=True)
class Snip:
    """|w dL/dw|: how much the loss changes if a weight is removed (SNIP, Lee et al. 2019).

    Args:
        num_batches: number of batches of training examples; the gradient is their mean.
        batch_size: examples in each; this and the rest as for `GradientMagnitude`. The authors'
            code scores in evaluation mode.
        mode: "train" or "eval".
        sampling: "random" or "per_class".
        num_classes: number of classes.
    """

    num_batches: int
    batch_size: int | str
    mode: str = "train"
    sampling: str = "random"
    num_classes: int | None = None
    num_examples = NUM_EXAMPLES

    def __post_init__(self) -> None:
        check_examples(self)

    def __call__(self, trained: Trained) -> Tensors:
        """Return |g w|."""
        gradients = _gradients(trained, self)
        return {name: (gradients[name] * w).abs() for name, w in trained.weights.items()}


@dataclass(frozen=True)
class Grasp:
    """w Hg: how much the gradient's norm falls if a weight is removed (GraSP, Wang et al. 2020).

    The paper scores -w Hg and removes the highest scores. Here the lowest scores are pruned, so
    the sign is reversed: changing w_i to (1 - e) w_i changes |g|^2 by -2 e w_i (Hg)_i, and the
    weights are pruned whose removal raises it most. g and H belong to the loss with logits divided
    by T, and only live weights count.

    Args:
        num_batches: number of batches of training examples; g and H are their means.
        batch_size: examples in each; this and the rest as for `GradientMagnitude`. The authors'
            code draws 10 examples of each class.
        temperature: T, 200 in the paper.
        mode: "train" or "eval".
        sampling: "random" or "per_class".
        num_classes: number of classes.
    """

    num_batches: int
    batch_size: int | str
    temperature: float
    mode: str = "train"
    sampling: str = "random"
    num_classes: int | None = None
    num_examples = NUM_EXAMPLES
    signed: ClassVar[bool] = True
    second_derivatives: ClassVar[bool] = True
    passes: ClassVar[int] = 4  # g twice, and once its own gradient, which costs two passes more

    def __post_init__(self) -> None:
        check_examples(self)
        if not self.temperature > 0:
            raise ValueError(f"temperature={self.temperature}: a number above 0")

    def __call__(self, trained: Trained) -> Tensors:
        """Return w Hg."""
        probe = trained.probe(_precision(trained.weights))
        batches = draw_batches(self, probe, trained)
        weights = differentiable(probe, trained.weights)
        with sdpa_kernel(SDPBackend.MATH):  # torch's faster attention has no second derivative
            product = self._hessian_gradient(probe, trained, weights=weights, batches=batches)
        scores = [w.detach() * part for w, part in zip(weights.values(), product, strict=True)]
        return to_scores(weights, scores)

    def _hessian_gradient(
        self, probe: Probe, trained: Trained, *, weights: Tensors, batches: list[Batch]
    ) -> list[Tensor]:
        """Return Hg, the gradient of g'g with the first g held constant, batch by batch."""
        of_weights = {name: trained.masks[name] for name in weights}
        masks = list(on_device_of(probe.network, of_weights).values())
        parameters = list(weights.values())

        def losses() -> Iterator[Tensor]:
            return probe.losses(
                trained.state, weights, batches, temperature=self.temperature, mode=self.mode
            )

        gradient = _mean([torch.autograd.grad(loss, parameters, **UNUSED) for loss in losses()])
        still = [g * mask for g, mask in zip(gradient, masks, strict=True)]
        products = []
        for loss in losses():
            moving = torch.autograd.grad(loss, parameters, create_graph=True, **UNUSED)
            norm = torch.stack([(g * s).sum() for g, s in zip(moving, still, strict=True)]).sum()
            products.append(torch.autograd.grad(norm, parameters, **UNUSED))
        return _mean(products)


# A weight that is not part of the loss has the gradient 0.
UNUSED: Any = {"materialize_grads": True}


def _precision(weights: Tensors) -> torch.dtype:
    """Return the weights' type, but at least float32: shorter types give ties and zeros."""
    return torch.promote_types(next(iter(weights.values())).dtype, torch.float32)


def _gradients(trained: Trained, criterion: OnExamples) -> Tensors:
    """Return dL/dw, the mean over the batches."""
    probe = trained.probe(_precision(trained.weights))
    batches = draw_batches(criterion, probe, trained)
    weights = differentiable(probe, trained.weights)
    losses = probe.losses(trained.state, weights, batches, mode=criterion.mode)
    parameters = list(weights.values())
    mean = _mean([torch.autograd.grad(loss, parameters, **UNUSED) for loss in losses])
    return to_scores(weights, mean)


def _mean(by_batch: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Return the mean over the batches, weight by weight."""
    return [torch.stack(of_weight).mean(0) for of_weight in zip(*by_batch, strict=True)]


@dataclass(frozen=True)
class SynFlow:
    """|w| dR/d|w| with R the sum of outputs for an input of ones (Tanaka et al. 2020).

    The network has the weights |w| and biases 0, and runs in evaluation mode in double precision.
    R is then a sum over paths, and as much flows into a layer as out of it. No layer empties
    before the others if scoring is repeated often enough (`iterations`, 100 in the paper). In
    BatchNorm |weight| and the running variances count; the running means are 0 like biases.
    """

    runs_on_ones: ClassVar[bool] = True

    def __call__(self, trained: Trained) -> Tensors:
        """Return |w| dR/d|w|."""
        probe = trained.probe(torch.float64)
        weights = differentiable(probe, {n: w.abs() for n, w in trained.weights.items()})
        others = on_device_of(probe.network, _linear(trained.state))
        ones = next(iter(weights.values())).new_ones(1, *probe.input_shape)
        outputs = probe.outputs(others | weights, ones)
        gradients = torch.autograd.grad(outputs.sum(), list(weights.values()), **UNUSED)
        scores = [w.detach() * g for w, g in zip(weights.values(), gradients, strict=True)]
        return to_scores(weights, scores)


def _linear(state: State) -> Tensors:
    """Return tensors that make a network of ReLUs and poolings linear for inputs above 0."""
    tensors = state.weights | state.buffers
    additive = {name for name in tensors if is_bias(name) or name.endswith("running_mean")}
    positive = {n: t.abs() if t.is_floating_point() else t for n, t in tensors.items()}
    return positive | {name: torch.zeros_like(tensors[name]) for name in additive}

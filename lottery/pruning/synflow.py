"""SynFlow: scores without data, from the flow through the network of absolute weights."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import functional_call

from lottery.models.state import State
from lottery.pruning.interface import Trained
from lottery.pruning.probe import differentiable, to_scores
from lottery.tensors import Tensors


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
        others = probe.on_device(_linear(trained.state))
        ones = next(iter(weights.values())).new_ones(1, *probe.input_shape)
        outputs: Tensor = functional_call(probe.network.eval(), {**others, **weights}, ones)
        gradients = torch.autograd.grad(
            outputs.sum(), list(weights.values()), materialize_grads=True
        )
        scores = [w.detach() * g for w, g in zip(weights.values(), gradients, strict=True)]
        return to_scores(weights, scores)


def _linear(state: State) -> Tensors:
    """Return tensors that make a network of ReLUs and poolings linear for inputs above 0."""
    tensors = state.weights | state.buffers
    additive = {name for name in tensors if name.rpartition(".")[2] in ("bias", "running_mean")}
    positive = {n: t.abs() if t.is_floating_point() else t for n, t in tensors.items()}
    return positive | {name: torch.zeros_like(tensors[name]) for name in additive}

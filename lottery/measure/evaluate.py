"""Measure a network: loss and accuracy, counts, inference time, memory."""

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from lottery.data import Split
from lottery.distributed import share, sum_over_ranks
from lottery.masks import Masks, count_ones, prunable_weights

Loss = Callable[[Tensor, Tensor], Tensor]

EVALUATION_BATCH = 1000
INFERENCE_BATCH = 100


@dataclass(frozen=True)
class Evaluation:
    """Mean loss, accuracy as a fraction, and predicted classes of a network on a split."""

    loss: float
    accuracy: float
    predictions: Tensor


def predict(logits: Tensor) -> Tensor:
    """Return the class with the highest logit; of a single logit, class 1 if it is above 0.

    Example:
        >>> predict(torch.tensor([[0.1, 0.3], [2.0, -1.0]])).tolist()
        [1, 0]
        >>> predict(torch.tensor([[0.1], [-2.0]])).tolist()
        [1, 0]
    """
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(1)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss of targets 0 and 1 from logits (batch, 1) for class 1."""
    (logit,) = logits.unbind(1)
    return nn.functional.binary_cross_entropy_with_logits(logit, targets.to(logit.dtype))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Set evaluation mode, without gradients; afterwards restore the mode of each layer."""
    modes = [(layer, layer.training) for layer in network.modules()]
    network.eval()
    try:
        with torch.no_grad():  # inference_mode makes tensors that could not be trained later
            yield
    finally:
        for layer, mode in modes:
            layer.training = mode


def evaluate(network: nn.Module, split: Split, loss: Loss) -> Evaluation:
    """Evaluate a network on every example of a split, once each, in evaluation mode.

    With several processes, each evaluates its share of the examples.
    """
    total = torch.zeros((), dtype=torch.float64)
    predicted = torch.zeros_like(split.targets)  # 0 for other ranks' examples, which the sum adds
    ours = share(torch.arange(len(split)))
    with evaluating(network):
        for part in torch.split(ours, EVALUATION_BATCH):
            if not len(part):  # more processes than examples
                continue
            places = slice(int(part[0]), int(part[-1]) + 1)  # a slice copies nothing
            inputs, targets = split.batch(places)
            logits = network(inputs)
            # Not in bfloat16: its 8 bits would round different losses to one value.
            wide = logits if logits.dtype == torch.float64 else logits.float()
            total += loss(wide, targets).double().cpu() * len(targets)
            predicted[places] = predict(logits)
    predicted = sum_over_ranks(predicted)
    correct = int((predicted == split.targets).sum())
    loss_sum = float(sum_over_ranks(total))
    return Evaluation(loss_sum / len(split), correct / len(split), predicted)


def count_parameters(network: nn.Module, masks: Masks) -> dict[str, int | float]:
    """Return `remaining_all`, `params` and `params_remaining` of a network under masks."""
    names = prunable_weights(network).keys() | masks.keys()
    weights = sum(w.numel() for name, w in network.named_parameters() if name in names)
    params = sum(parameter.numel() for parameter in network.parameters())
    pruned = sum(mask.numel() for mask in masks.values()) - sum(count_ones(masks).values())
    return {
        "remaining_all": (weights - pruned) / weights,
        "params": params,
        "params_remaining": params - pruned,
    }


def count_live_zeros(weights: Mapping[str, Tensor], masks: Masks) -> dict[str, int]:
    """Count the kept weights that are exactly zero, per layer: they only look pruned."""
    return {name: int((mask & (weights[name] == 0)).sum()) for name, mask in masks.items()}


def inference_ms(network: nn.Module, split: Split, repeats: int = 20) -> float:
    """Return the median time per example of a forward pass on 100 examples, in milliseconds."""
    inputs, _ = split.batch(slice(INFERENCE_BATCH))
    times = []
    with evaluating(network):
        for _ in range(repeats + 3):
            start = time.perf_counter()
            network(inputs)
            if inputs.is_cuda:  # kernels still run when the call has returned
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
    return 1000 * median(times[3:]) / len(inputs)


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak memory so far: the GPU's tensors, or the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

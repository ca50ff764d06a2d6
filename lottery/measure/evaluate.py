"""Measure a network: loss, score and other metrics, counts, inference time, memory."""

import math
import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from lottery.data import Split, Splits
from lottery.distributed import share, sum_over_ranks
from lottery.masks import Masks, count_ones, prunable_weights
from lottery.tasks import Loss, Task

Batch = tuple[slice, Tensor, Tensor]  # places in the split, outputs, targets

EVALUATION_BATCH = 1000
MOST_NUMBERS = 1000 * 3 * 64 * 64  # in the inputs of one evaluation batch
INFERENCE_BATCH = 100


@dataclass(frozen=True)
class Evaluation:
    """Mean loss and score of a network on a split."""

    loss: float
    score: float


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


def evaluate(network: nn.Module, split: Split, *, loss: Loss, task: Task) -> Evaluation:
    """Evaluate a network on every example of a split, once each, in evaluation mode.

    With several processes, each evaluates its share of the examples.
    """
    losses, sums = [], []
    with evaluating(network):
        for _, outputs, targets in _batches(network, split):
            if len(targets):
                losses.append(loss(outputs, targets).double() * len(targets))
            sums.append(task.parts(outputs, targets).double().sum(0))
    total = torch.zeros((), dtype=torch.float64, device=sums[0].device)
    for of_batch in losses:  # one after the other, which decides the last bit
        total += of_batch
    # the host waits for the device once
    joined = sum_over_ranks(torch.cat([total[None], torch.stack(sums).sum(0)]).cpu())
    mean_loss = float(joined[0]) / len(split)
    return Evaluation(mean_loss, task.score_of(joined[1:], mean_loss, len(split)))


def measure_further(network: nn.Module, splits: Splits, task: Task) -> dict[str, float]:
    """Return a task's further metrics: `val_<name>` on validation data, `<name>` on test data.

    Without validation data only the second ones.
    """
    metrics: dict[str, float] = {}
    for prefix, split in (("val_", splits.val), ("", splits.test)):
        if len(split) == 0:
            continue
        found = task.further(_details(network, split, task), split.targets.cpu(), splits)
        metrics |= {f"{prefix}{metric}": value for metric, value in found.items()}
    return metrics


def _details(network: nn.Module, split: Split, task: Task) -> Tensor:
    """Return a task's details of all examples, in CPU memory on every rank."""
    with evaluating(network):
        found = [
            (places, task.details(outputs, targets).cpu())
            for places, outputs, targets in _batches(network, split)
        ]
    _, first = found[0]
    details = torch.zeros(len(split), *first.shape[1:], dtype=first.dtype)
    for places, of_batch in found:  # 0 for other ranks' examples, which the sum adds
        details[places] = of_batch
    return sum_over_ranks(details)


def _batches(network: nn.Module, split: Split) -> Iterator[Batch]:
    """Yield this rank's examples, a batch at a time.

    A rank without examples gets one empty batch, whose shape is that of the others.
    """
    ours = share(torch.arange(len(split)))
    first, count = int(ours[0]) if len(ours) else 0, len(ours)
    for places, outputs, targets in all_batches(network, split, first, first + max(1, count)):
        yield places if count else slice(0), outputs[:count], targets[:count]


def all_batches(
    network: nn.Module, split: Split, first: int = 0, stop: int | None = None
) -> Iterator[Batch]:
    """Yield places, outputs and targets of a split's examples, a batch at a time.

    Outputs are not in bfloat16: its 8 bits would round different losses to one value.
    """
    stop = len(split) if stop is None else stop
    size = evaluation_batch(split)
    for begin in range(first, stop, size):
        places = slice(begin, min(begin + size, stop))  # a slice copies nothing
        inputs, targets = split.batch(places)
        outputs = network(inputs)
        wide = outputs if outputs.dtype == torch.float64 else outputs.float()
        yield places, wide, targets


def evaluation_batch(split: Split) -> int:
    """Return how many examples are evaluated at once: 1,000, of large inputs fewer.

    Layers take memory in proportion to their inputs: VGG-16 takes 2 GB for its 81 images of
    224x224. The number never goes by the memory that is free, because it affects the last bits. Of
    a text, a batch has about as many tokens as another split has examples.
    """
    positions = split.inputs.shape[1] if split.has_tokens and split.targets.dim() > 1 else 1
    numbers = math.prod(split.inputs.shape[1:])
    return max(1, min(EVALUATION_BATCH // positions, MOST_NUMBERS // max(1, numbers)))


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

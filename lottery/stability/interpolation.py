"""Networks on the straight line between two trained ones, how well they do, and the barrier."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lottery.data import Split, Splits
from lottery.measure.evaluate import EVALUATION_BATCH, Evaluation, evaluate, evaluating
from lottery.models.state import State, write_state
from lottery.tasks import Loss, Task

MEASURED_SPLITS = ("train", "test")

_Norm = nn.modules.batchnorm._BatchNorm


def evenly_spaced(count: int) -> list[float]:
    """Return evenly spaced numbers from 0 to 1, both included.

    Example:
        >>> evenly_spaced(5)
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if count < 3:
        raise ValueError(f"points={count}: 3 or more, two of them are the ends")
    return [number / (count - 1) for number in range(count)]


def error_barrier(errors: Mapping[float, float]) -> float:
    """Return sup E(alpha) - (E(0) + E(1)) / 2 over a line's points: the instability of a pair.

    The definition is that of Frankle, Dziugaite, Roy and Carbin (2020). The result is at least 0,
    because the ends are among the points.

    Example:
        >>> error_barrier({0.0: 0.25, 0.5: 0.75, 1.0: 0.25})
        0.5
    """
    return max(errors.values()) - (errors[0.0] + errors[1.0]) / 2


def between(first: State, second: State, alpha: float) -> State:
    """Return (1 - alpha) * first + alpha * second, for weights and floating-point buffers.

    At 0 and 1 the result is one of the two, bit for bit. Buffers of other types are taken from
    the nearer network.
    """

    def mixed(one: Tensor, other: Tensor) -> Tensor:
        if one.is_floating_point():
            return torch.lerp(one, other, alpha)
        return one if alpha < 0.5 else other

    return State(
        {name: mixed(weight, second.weights[name]) for name, weight in first.weights.items()},
        {name: mixed(buffer, second.buffers[name]) for name, buffer in first.buffers.items()},
    )


def measure_at(
    network: nn.Module, state: State, splits: Splits, *, loss: Loss, task: Task
) -> dict[str, Evaluation]:
    """Measure a network in a state, on the training and the test split, without augmentation.

    Statistics of BatchNorm are recomputed first: interpolated ones fit no network.
    """
    write_state(network, state)
    recompute_norms(network, splits.train)
    return {
        name: evaluate(network, getattr(splits, name), loss=loss, task=task)
        for name in MEASURED_SPLITS
    }


def has_norms(network: nn.Module) -> bool:
    """Return whether a network has statistics that are recomputed."""
    return bool(_norms(network))


def recompute_norms(network: nn.Module, train: Split) -> None:
    """Give BatchNorm layers the statistics of the training split under the present weights.

    They are means over batches of about 1,000 examples. The order is random but fixed, because a
    split may be sorted by class. Everything else, such as dropout, is in evaluation mode.
    """
    if not _norms(network):
        return
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(train), generator=generator).to(train.targets.device)
    with evaluating(network), _averaging(_norms(network)):
        for rows in order.tensor_split(-(-len(train) // EVALUATION_BATCH)):
            inputs, _ = train.batch(rows)
            network(inputs)


def _norms(network: nn.Module) -> list[_Norm]:
    """Return the layers that keep statistics."""
    layers = network.modules()
    return [m for m in layers if isinstance(m, _Norm) and m.running_mean is not None]


@contextmanager
def _averaging(norms: list[_Norm]) -> Iterator[None]:
    """Let layers take plain means over the next batches; the caller resets their mode."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

"""Floating-point operations of training, as papers on sparse training count them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Segment:
    """Steps of a training under the same masks, or other passes forward and backward.

    Args:
        steps: how many steps.
        forward: FLOPs of one example's forward pass under the masks.
        gradients: FLOPs that make the gradients of the weights, for one example: those of the
            forward pass if only the weights that are left get one, the dense network's if all do.
    """

    steps: int
    forward: int
    gradients: int


def segment_of(
    counts: Mapping[str, Any],
    sizes: Mapping[str, int],
    remaining: Mapping[str, int],
    *,
    steps: int,
    dense_gradients: bool = False,
) -> Segment:
    """Return the segment of steps in which each layer has `remaining` weights.

    It is exact for Linear and Conv layers. The parts of an attention's weight, which may multiply
    differently often, are taken to be equally sparse.

    Args:
        counts: those of `make_counter`, under any masks.
        sizes: all weights of each layer that has a mask.
        remaining: those that are left.
        steps: how many steps.
        dense_gradients: whether pruned weights get gradients too.

    Example:
        >>> counts = {"by_layer": {"v": {"flops": 40}, "w": {"flops": 60}}}
        >>> segment_of(counts, {"w": 30}, {"w": 10}, steps=7)
        Segment(steps=7, forward=60, gradients=60)
    """
    forward = dense = 0
    for name, layer in counts["by_layer"].items():
        dense += layer["flops"]
        forward += layer["flops"] * remaining.get(name, 1) // sizes.get(name, 1)
    return Segment(steps, forward, gradients=dense if dense_gradients else forward)


def static_segment(steps: int, forward: int) -> Segment:
    """Return steps in which only the weights that are left get gradients."""
    return Segment(steps, forward, gradients=forward)


def count_train_flops(segments: Iterable[Segment], batch_size: int) -> int:
    """Count the FLOPs of a training (Evci et al. 2020, appendix H).

    A step costs a forward pass, as much again for the gradients of activations, and the gradients
    of weights. That is three forward passes if pruned weights get no gradient. What `count_flops`
    leaves out is left out here too, and so are the optimizer, the evaluations and sorting.

    Args:
        segments: all steps, whose masks may differ.
        batch_size: examples in a step.

    Example:
        >>> count_train_flops([static_segment(100, 50)], batch_size=2)  # dense
        30000
        >>> rigl = [static_segment(99, 10), Segment(1, 10, gradients=50)]
        >>> count_train_flops(rigl, batch_size=2)  # the last step has dense gradients
        6080
    """
    return batch_size * sum(one.steps * (2 * one.forward + one.gradients) for one in segments)


def trained_flops(counts: Mapping[str, Any], column: str) -> int:
    """Return the FLOPs of one example in the layers that are trained: not those of a frozen base.

    `counts` are those of `make_counter`; `column` is "flops", of all weights, or
    "flops_remaining".
    """
    return sum(layer[column] for layer in counts["by_layer"].values())

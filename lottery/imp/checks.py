"""The invariants, checked at every round boundary of every run.

Each check raises `BrokenInvariant`, or returns what it has measured, for the round's record.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from lottery.distributed import differing_ranks
from lottery.errors import LotteryError
from lottery.masks import Masks, check_nested, count_ones
from lottery.models.state import State
from lottery.pruning import IN_ALL, Keep
from lottery.tensors import digest


class BrokenInvariant(LotteryError):
    """A run has found an error in itself, and stops."""


def check_masks(
    number: int,
    masks: Masks,
    before: Masks,
    expected: Keep,
    *,
    nested: bool,
    count: Callable[[Masks], dict[str, int]] = count_ones,
) -> dict[str, Any]:
    """Check that a round pruned exactly as many weights as asked, and revived none.

    `count` counts what `expected` is about: weights or units, per layer or in all. If `nested`,
    the masks may keep only what `before`, the masks of the round before, kept.
    """
    counted, counts = count(masks), count_ones(masks)
    in_all = {IN_ALL: sum(counted.values())}
    left = in_all if IN_ALL in expected else counted
    if left != expected:
        raise BrokenInvariant(f"round {number}: {left} weights left, {expected} expected")
    if nested:
        try:
            check_nested(masks, before)
        except ValueError as error:
            raise BrokenInvariant(f"round {number}: {error}") from error
    return {
        "ones_before": sum(count_ones(before).values()),
        "ones_after": sum(counts.values()),
        "empty_layers": [name for name, count in counts.items() if count == 0],
    }


def check_source(
    number: int, start: State, source: State | None, initial: State
) -> dict[str, Any]:
    """Check that a start, still dense, equals its stored source; a drawn one (None) must be new.

    This finds a random ticket that starts from masked weights, BatchNorm statistics that were not
    reset, and a rewind to the start of the round before.
    """
    if source is None:
        if not count_differing(start, initial, masks={}):
            raise BrokenInvariant(f"round {number}: the random start is the initial network")
        return {"source_differing": None}
    differing = count_differing(start, source, masks={})
    return {"source_differing": _judge(number, "the start differs from what is stored", differing)}


def check_start(number: int, stored: State, dense: State, masks: Masks) -> dict[str, Any]:
    """Check that a stored start has the values of `dense` where kept, and zero elsewhere."""
    _judge_pruned(number, "start", largest_pruned(stored.weights, masks))
    differing = count_differing(stored, dense, masks)
    message = "the stored start differs from its source"
    return {"start_differing": _judge(number, message, differing)}


def check_trained(
    number: int,
    started: State,
    stored: State,
    trained: Mapping[str, State],
    masks: Masks,
    at_start: Masks | None = None,
) -> dict[str, Any]:
    """Check that training began at the stored start and kept pruned weights at zero.

    `started` is the network before the first step, `trained` what came out, by name. `at_start`
    are the masks of the start, if those have moved.
    """
    differing = count_differing(started, stored, masks if at_start is None else at_start)
    pruned = {name: largest_pruned(state.weights, masks) for name, state in trained.items()}
    message = "training did not start from the stored start"
    return {
        "trained_from_differing": _judge(number, message, differing),
        "pruned_max": max(_judge_pruned(number, name, pruned[name]) for name in trained),
    }


def check_first_step(
    number: int, seen: Mapping[str, Any], expected: Mapping[str, Any]
) -> dict[str, Any]:
    """Check that training began with the learning rate and the batch of its first step."""
    for name, value in expected.items():
        if seen.get(name) != value:
            words = name.replace("_", " ")
            raise BrokenInvariant(
                f"round {number}: the {words} was {seen.get(name)}, {value} expected"
            )
    return dict(seen)


def check_ranks_agree(number: int, what: str, tensors: Mapping[str, Tensor]) -> None:
    """Check that all processes of a run hold the same tensors, bit for bit."""
    if ranks := differing_ranks(lambda: digest(tensors)):
        raise BrokenInvariant(f"round {number}: the {what} of rank {ranks} differ from rank 0's")


def check_unchanged(number: int, before: str | None, after: str) -> dict[str, Any]:
    """Check that a round left the stored initial weights as they were, by their digests."""
    if before != after:
        raise BrokenInvariant(f"round {number}: the stored initial weights have changed")
    return {"initial_digest": after}


def largest_pruned(weights: Mapping[str, Tensor], masks: Masks) -> dict[str, float]:
    """Measure the largest |w| on the pruned places of each layer; nan where there is a nan."""
    largest = {}
    for name, mask in masks.items():
        pruned = weights[name][~mask]
        largest[name] = float(pruned.abs().max()) if len(pruned) else 0.0
    return largest


def count_differing(here: State, there: State, masks: Masks) -> dict[str, int]:
    """Count the values that differ between two states, by name; names without any are left out.

    Pruned weights are not compared. A tensor that only one state has counts as one value.
    """
    tensors, others = here.weights | here.buffers, there.weights | there.buffers
    if tensors.keys() != others.keys():
        return dict.fromkeys(tensors.keys() ^ others.keys(), 1)
    differing = {}
    for name, tensor in tensors.items():
        if tensor.shape != others[name].shape:
            differing[name] = tensor.numel()
            continue
        places: Tensor = tensor != others[name]
        differing[name] = int((places & masks[name] if name in masks else places).sum())
    return {name: count for name, count in differing.items() if count}


def _judge(number: int, message: str, differing: Mapping[str, int]) -> int:
    """Return the sum of what was counted; raise if it is not zero."""
    total = sum(differing.values())
    if total:
        layers = ", ".join(f"{name} ({count} values)" for name, count in differing.items())
        raise BrokenInvariant(f"round {number}: {message}: {layers}")
    return total


def _judge_pruned(number: int, what: str, largest: Mapping[str, float]) -> float:
    """Return the largest of what was measured; raise if it is not zero."""
    for name, value in largest.items():
        if value != 0:  # also where it is nan
            raise BrokenInvariant(f"round {number}: {name} ({what}) has {value} on a pruned place")
    return max(largest.values(), default=0.0)

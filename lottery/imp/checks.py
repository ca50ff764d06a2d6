"""The invariants, checked at every round boundary of every run; what they measured is recorded."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from lottery.distributed import gather, num_ranks
from lottery.masks import Masks, check_nested, count_ones
from lottery.models.state import State
from lottery.pruning import IN_ALL, Keep
from lottery.tensors import digest


class BrokenInvariant(Exception):
    """A run found itself wrong, and stops."""


def check_masks(
    number: int,
    masks: Masks,
    before: Masks,
    expected: Keep,
    *,
    nested: bool,
    count: Callable[[Masks], dict[str, int]] = count_ones,
) -> dict[str, Any]:
    """Check that a round pruned exactly what was asked, and revived nothing.

    Args:
        number: the round.
        masks: its masks.
        before: the last round's.
        expected: numbers of weights, or units, that must be left, per layer or in all.
        nested: whether the masks must keep only what `before` kept.
        count: what `expected` counts.

    Returns:
        `ones_before`, `ones_after` and the names of `empty_layers`.

    Raises:
        BrokenInvariant: counts differ, or a weight came back.
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
    """Check that a start, still dense, is the stored state it claims to be; or, if drawn, is new.

    A random ticket that started from masked weights, statistics of BatchNorm left where they
    were, and a rewind to the last round's start are all found here.

    Args:
        number: the round.
        start: what the reinit gave.
        source: the stored state it must equal; None where it is drawn anew.
        initial: the stored initial network.

    Returns:
        `source_differing`, the number of values that differ from the source: 0, or None.

    Raises:
        BrokenInvariant: values differ from the source, or a drawn start is the initial network.
    """
    if source is None:
        if not _count_differing(start, initial, {}):
            raise BrokenInvariant(f"round {number}: the random start is the initial network")
        return {"source_differing": None}
    differing = _count_differing(start, source, {})
    _raise_if_differing(number, "the start differs from what is stored", differing)
    return {"source_differing": sum(differing.values())}


def check_start(number: int, stored: State, dense: State, masks: Masks) -> dict[str, Any]:
    """Check what is stored as a round's start: its source's values where kept, zero elsewhere.

    Args:
        number: the round.
        stored: the start as stored.
        dense: the state it comes from.
        masks: the round's masks.

    Returns:
        `start_differing`, the number of kept values (buffers included) that differ: 0.

    Raises:
        BrokenInvariant: values differ, or a pruned weight is not zero.
    """
    _check_zeros(number, "start", stored.weights, masks)
    differing = _count_differing(stored, dense, masks)
    _raise_if_differing(number, "the stored start differs from its source", differing)
    return {"start_differing": sum(differing.values())}


def check_trained(
    number: int, started: State, stored: State, trained: Mapping[str, State], masks: Masks
) -> dict[str, Any]:
    """Check that training started from the stored start and kept pruned weights at zero.

    Args:
        number: the round.
        started: the network as it was before the first step.
        stored: the start as stored.
        trained: states that came out, by name.
        masks: the round's masks.

    Returns:
        `trained_from_differing`: 0; `pruned_max`, the largest |w| on pruned places: 0.

    Raises:
        BrokenInvariant: a value differs, or a pruned weight is not zero.
    """
    differing = _count_differing(started, stored, masks)
    _raise_if_differing(number, "training did not start from the stored start", differing)
    largest = max(
        _check_zeros(number, name, state.weights, masks) for name, state in trained.items()
    )
    return {"trained_from_differing": sum(differing.values()), "pruned_max": largest}


def check_first_step(
    number: int, seen: Mapping[str, Any], expected: Mapping[str, Any]
) -> dict[str, Any]:
    """Check that training began with the learning rate and the batch of its place on the clock.

    Args:
        number: the round.
        seen: `first_learning_rate` and `first_batch`, a digest, as the training used them.
        expected: the same, from the schedule and the data order.

    Returns:
        What was seen.

    Raises:
        BrokenInvariant: one of them is another.
    """
    for name, value in expected.items():
        if seen.get(name) != value:
            words = name.replace("_", " ")
            raise BrokenInvariant(
                f"round {number}: the {words} was {seen.get(name)}, {value} expected"
            )
    return dict(seen)


def check_ranks_agree(number: int, what: str, tensors: Mapping[str, Tensor]) -> None:
    """Check that all processes of a run hold the same tensors, bit for bit.

    Args:
        number: the round.
        what: the tensors' name in the message.
        tensors: this rank's.

    Raises:
        BrokenInvariant: naming the ranks that differ from rank 0.
    """
    digests = gather(digest(tensors)) if num_ranks() > 1 else []
    differing = [str(rank) for rank, other in enumerate(digests) if other != digests[0]]
    if differing:
        ranks = ", ".join(differing)
        raise BrokenInvariant(f"round {number}: the {what} of rank {ranks} differ from rank 0's")


def check_unchanged(number: int, before: str, after: str) -> dict[str, Any]:
    """Check that the stored initial weights are the same bytes as before the round.

    Raises:
        BrokenInvariant: they have changed.
    """
    if before != after:
        raise BrokenInvariant(f"round {number}: the stored initial weights have changed")
    return {"initial_digest": after}


def _check_zeros(number: int, what: str, weights: Mapping[str, Tensor], masks: Masks) -> float:
    for name, mask in masks.items():
        pruned = weights[name][~mask]
        if not bool((pruned == 0).all()):  # nan included, which no maximum shows
            largest = float(pruned.abs().max())
            raise BrokenInvariant(
                f"round {number}: {name} ({what}) has {largest} on a pruned place"
            )
    return 0.0


def _count_differing(here: State, there: State, masks: Masks) -> dict[str, int]:
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


def _raise_if_differing(number: int, message: str, differing: Mapping[str, int]) -> None:
    if differing:
        layers = ", ".join(f"{name} ({count} values)" for name, count in differing.items())
        raise BrokenInvariant(f"round {number}: {message}: {layers}")

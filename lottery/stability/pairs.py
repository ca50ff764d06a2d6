"""A pair of copies: the line between them, point by point, and the distance between them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from lottery.masks import density, masked
from lottery.models.state import State
from lottery.record.files import write_json
from lottery.signals import Stopped
from lottery.stability.copies import Branch, read_entry
from lottery.stability.distances import distance
from lottery.stability.interpolation import MEASURED_SPLITS, between, has_norms, measure_at
from lottery.tensors import digest
from lottery.training import LightningFit

PairEntry = dict[str, Any]  # what is kept of a pair


@dataclass(frozen=True)
class Ends:
    """The ends of two copies' trainings."""

    first: State
    second: State

    @property
    def digests(self) -> list[str]:
        """The digest of each copy."""
        return [digest(state.weights | state.buffers) for state in (self.first, self.second)]


def measure_pair(
    fit: LightningFit,
    *,
    branch: Branch,
    ends: Ends,
    dense: Ends | None,
    alphas: Sequence[float],
    path: Path,
    number: int,
) -> PairEntry:
    """Measure a pair; add to its file what is not there yet.

    Args:
        fit: its network, data and loss are used.
        branch: what the copies went on from.
        ends: the copies.
        dense: the dense network's copies of the same numbers, if they had the same start weights.
        alphas: points of the line; those in the file are not measured again.
        path: the file.
        number: of the pair.

    Returns:
        The content of the file.

    Raises:
        Stopped: a signal asked for it; what was measured is kept.
    """
    entry = _begun(path, branch, ends, number)
    entry["batch_norm"] = "recomputed" if has_norms(fit.network) else "none"
    entry["distances"] = asdict(distance(ends.first.weights, ends.second.weights, branch.masks))
    if dense is not None:
        entry["from_dense"] = _from_dense(ends, dense, branch)
    known = {point["alpha"] for point in entry["points"]}
    fit.network.to(fit.device.torch_device)
    for alpha in alphas:
        if alpha in known:
            continue
        state = between(ends.first, ends.second, alpha)
        measured = measure_at(fit.network, state, fit.splits, fit.loss)
        entry["points"] += [
            {"alpha": alpha, "split": split, "loss": found.loss, "error": 1 - found.accuracy}
            for split, found in measured.items()
        ]
        entry["points"].sort(key=_place_in_file)
        write_json(path, entry)
        if fit.stop.signum:
            where = f"in round {branch.round}, pair {number}, between its networks"
            raise Stopped(fit.stop.signum, where)
    write_json(path, entry)
    return entry


def _place_in_file(point: Mapping[str, Any]) -> tuple[int, float]:
    return MEASURED_SPLITS.index(point["split"]), point["alpha"]


def same_start(dense: Branch, ticket: Branch) -> bool:
    """Return whether a ticket goes on from the dense network's weights of that step, masked."""
    if dense.step != ticket.step or dense.start.buffers.keys() != ticket.start.buffers.keys():
        return False
    start = masked(dense.start.weights, ticket.masks) | dense.start.buffers
    there = ticket.start.weights | ticket.start.buffers
    return all(torch.equal(tensor, there[name]) for name, tensor in start.items())


def _begun(path: Path, branch: Branch, ends: Ends, number: int) -> PairEntry:
    """Return the content of the file if it is about these copies; else a new one."""
    if path.exists():
        entry = read_entry(path)
        if entry.get("copies") == ends.digests:
            return entry
    return {
        "round": branch.round,
        "step": branch.step,
        "pair": number,
        "remaining": density(branch.masks),
        "copies": ends.digests,
        "points": [],
    }


def _from_dense(ends: Ends, dense: Ends, branch: Branch) -> dict[str, float]:
    """Return the stability to pruning: the mean distance to the dense copy of the same order."""
    found = [
        distance(ticket.weights, whole.weights, branch.masks)
        for ticket, whole in ((ends.first, dense.first), (ends.second, dense.second))
    ]
    return {
        "l2": sum(one.l2 for one in found) / 2,
        "angle": sum(one.angle for one in found) / 2,
    }

"""A pair of copies: the line between them, point by point, and the distance between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from lottery.masks import density, masked
from lottery.models.state import State
from lottery.record.files import write_json
from lottery.record.stability_schema import Distance, LineJson, LinePoint, PairJson
from lottery.record.typed import read_typed
from lottery.signals import Stopped
from lottery.stability.copies import REPAIR, Branch, state_digest
from lottery.stability.distances import distance
from lottery.stability.interpolation import MEASURED_SPLITS, between, has_norms, measure_at
from lottery.training import LightningFit


@dataclass(frozen=True)
class Ends:
    """The two networks at the ends of a line."""

    first: State
    second: State

    @property
    def digests(self) -> list[str]:
        """The digest of each."""
        return [state_digest(state) for state in (self.first, self.second)]


def measure_pair(
    fit: LightningFit,
    *,
    branch: Branch,
    ends: Ends,
    dense: Ends | None,
    alphas: Sequence[float],
    path: Path,
    number: int,
) -> PairJson:
    """Measure a pair; add to its file what is not there yet, and return the file's content.

    `alphas` are points of the line; those in the file are not measured again. `dense` are the
    dense network's copies of the same numbers, if they had the same start weights.
    """
    copies = ends.digests
    entry: PairJson = {
        "round": branch.round,
        "step": branch.step,
        "pair": number,
        "remaining": density(branch.masks),
        "copies": copies,
        "points": _known_points(path, copies),
        "batch_norm": "recomputed" if has_norms(fit.network) else "none",
        "distances": distance(ends.first.weights, ends.second.weights, branch.masks),
    }
    if dense is not None:
        entry["from_dense"] = _from_dense(ends, dense, branch)
    where = f"in round {branch.round}, pair {number}, between its networks"
    measure_points(fit, ends=ends, entry=entry, alphas=alphas, path=path, where=where)
    return entry


def measure_points(
    fit: LightningFit,
    *,
    ends: Ends,
    entry: PairJson | LineJson,
    alphas: Sequence[float],
    path: Path,
    where: str,
) -> None:
    """Add to an entry the points of a line that it has not yet; write it after each.

    A request to stop ends this after a point, with `where` in its line.
    """
    known = {point["alpha"] for point in entry["points"]}
    fit.network.to(fit.device.torch_device)
    for alpha in alphas:
        if alpha in known:
            continue
        state = between(ends.first, ends.second, alpha)
        measured = measure_at(fit.network, state, fit.splits, loss=fit.loss, task=fit.task)
        error = fit.task.score.error
        entry["points"] += [
            {"alpha": alpha, "split": split, "loss": found.loss, "error": error(found.score)}
            for split, found in measured.items()
        ]
        entry["points"].sort(key=_place_in_file)
        write_json(path, entry)
        if fit.stop.signum:
            raise Stopped(fit.stop.signum, where)
    write_json(path, entry)


def _place_in_file(point: LinePoint) -> tuple[int, float]:
    return MEASURED_SPLITS.index(point["split"]), point["alpha"]


def same_start(dense: Branch, ticket: Branch) -> bool:
    """Return whether a ticket goes on from the dense network's weights of that step, masked."""
    if dense.step != ticket.step or dense.start.buffers.keys() != ticket.start.buffers.keys():
        return False
    start = masked(dense.start.weights, ticket.masks) | dense.start.buffers
    there = ticket.start.weights | ticket.start.buffers
    return all(torch.equal(tensor, there[name]) for name, tensor in start.items())


def _known_points(path: Path, copies: Sequence[str]) -> list[LinePoint]:
    """Return the points in the file, if it is about these copies."""
    entry = read_typed(path, PairJson, REPAIR) if path.exists() else None
    return entry["points"] if entry and entry["copies"] == copies else []


def _from_dense(ends: Ends, dense: Ends, branch: Branch) -> Distance:
    """Return the stability to pruning: the mean distance to the dense copy of the same order."""
    found = [
        distance(ticket.weights, whole.weights, branch.masks)
        for ticket, whole in ((ends.first, dense.first), (ends.second, dense.second))
    ]
    return {
        "l2": sum(one["l2"] for one in found) / 2,
        "angle": sum(one["angle"] for one in found) / 2,
    }

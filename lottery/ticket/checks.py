"""What must hold for a ticket: one line each, with what is expected and what is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lottery.masks import Masks, masked
from lottery.measure.evaluate import count_live_zeros
from lottery.record.text_table import format_percent, text_table
from lottery.tensors import Tensors, digest
from lottery.ticket.files import TicketTensors

PRUNED = ("start", "es", "final")  # weights under the mask


@dataclass(frozen=True)
class TicketCheck:
    """One thing that must hold: what the run says, and what is there."""

    what: str
    expected: str
    got: str
    passed: bool


def check_tensors(
    tensors: TicketTensors, record: Mapping[str, Any], source: tuple[str, Tensors] | None
) -> list[TicketCheck]:
    """Check a ticket's tensors against each other and against the counts of the round's record.

    `source` is what the start must equal where it is kept: a name and weights, or None.
    """
    masks = tensors["masks"]
    checks = [_check_shapes(masks, tensors)]
    if not checks[0].passed:
        return checks  # the rest could not be computed
    layers = record["layers"]
    checks.append(_check_counts(masks, layers))
    for name in PRUNED:
        alive = _count_pruned(tensors[name], masks)
        checks.append(_check_number(f"{name}: not zero where pruned", 0, alive))
    expected = sum(counts["live_zeros"] for counts in layers.values())
    zeros = sum(count_live_zeros(tensors["final"], masks).values())
    checks.append(_check_number("final: zero where kept", expected, zeros))
    if source is not None:
        name, weights = source
        differing = _count_differing(tensors["start"], masked(weights, masks))
        checks.append(_check_number(f"start: values unlike {name} x mask", 0, differing))
    return checks


def check_run(
    tensors: TicketTensors,
    *,
    stored: Mapping[str, Tensors],
    entry: Mapping[str, Any],
    record: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> list[TicketCheck]:
    """Check that a ticket is what its run's files hold.

    `stored` are the parts that the run still has; `facts` are other entries of ticket.json.
    """
    checks = []
    for what, ours, theirs in (
        ("ticket.json: metrics", entry["row"], record["row"]),
        ("ticket.json: counts", entry["layers"], record["layers"]),
        ("ticket.json: other facts", {name: entry.get(name) for name in facts}, facts),
    ):
        differing = sorted(key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key))
        got = f"other {', '.join(differing)}" if differing else "the run's"
        checks.append(TicketCheck(what, "the run's", got, not differing))
    for name, part in stored.items():
        same = digest(part) == digest(tensors[name])
        got = "the run's" if same else "other"
        checks.append(TicketCheck(f"{name}: bits", "the run's", got, same))
    return checks


def format_checks(checks: Sequence[TicketCheck]) -> str:
    """Return a table of checks, with an arrow at those that failed, and PASS or FAIL below."""
    rows = [[c.what, c.expected, c.got, "" if c.passed else "<-"] for c in checks]
    verdict = "PASS" if all(check.passed for check in checks) else "FAIL"
    return f"{text_table(['what', 'expected', 'got', ''], rows)}\n{verdict}"


def _check_number(what: str, expected: int, got: int) -> TicketCheck:
    return TicketCheck(what, str(expected), str(got), expected == got)


def _check_shapes(masks: Masks, tensors: TicketTensors) -> TicketCheck:
    expected = {name: tuple(mask.shape) for name, mask in masks.items()}
    for part in (*PRUNED, "initial"):
        shapes = {name: tuple(t.shape) for name, t in tensors[part].items() if name in masks}
        if shapes != expected:
            differing = sorted(name for name in expected if shapes.get(name) != expected[name])
            got = f"other {', '.join(differing)}"
            return TicketCheck("masks: shapes", f"{part}'s", got, passed=False)
    return TicketCheck("masks: shapes", "the weights'", "the weights'", passed=True)


def _check_counts(masks: Masks, layers: Mapping[str, Mapping[str, int]]) -> TicketCheck:
    ours = {name: (int(mask.sum()), mask.numel()) for name, mask in masks.items()}
    theirs = {name: (counts["remaining"], counts["weights"]) for name, counts in layers.items()}
    differing = sorted(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))
    some = differing[:1]  # the first layer that differs says enough
    expected, got = (_describe_counts(counts, some) for counts in (theirs, ours))
    return TicketCheck("masks: weights kept", expected, got, not differing)


def _describe_counts(counts: Mapping[str, tuple[int, int]], some: Sequence[str]) -> str:
    chosen = {name: counts.get(name, (0, 0)) for name in some} or counts
    kept, size = (sum(column) for column in zip(*chosen.values(), strict=True))
    return f"{' '.join(some)} {kept} of {size} ({format_percent(kept / max(size, 1))} %)".strip()


def _count_pruned(weights: Tensors, masks: Masks) -> int:
    """Return the number of pruned weights that are not zero; nan counts."""
    return sum(int((~mask & ~(weights[name] == 0)).sum()) for name, mask in masks.items())


def _count_differing(here: Tensors, there: Tensors) -> int:
    if here.keys() != there.keys():
        return len(here.keys() ^ there.keys())
    return sum(_differing(tensor, there[name]) for name, tensor in here.items())


def _differing(here: Tensor, there: Tensor) -> int:
    return int((here != there).sum()) if here.shape == there.shape else here.numel()

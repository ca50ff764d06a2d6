"""What must hold of a ticket's tensors: one line each, with what is expected and what is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from torch import Tensor

from lottery.masks import Masks, masked
from lottery.measure.evaluate import count_live_zeros
from lottery.record.text_table import format_percent
from lottery.tensors import Tensors, digest
from lottery.ticket.files import TicketTensors

PRUNED = ("start", "es", "final")  # weights under the mask


@dataclass(frozen=True)
class Check:
    """One thing that must hold.

    Args:
        what: is looked at.
        expected: what the run says.
        got: what is there.
        passed: whether that is the same.
    """

    what: str
    expected: str
    got: str
    passed: bool


def check_tensors(
    tensors: TicketTensors, record: Mapping[str, Any], source: tuple[str, Tensors] | None
) -> list[Check]:
    """Check a ticket's tensors against one another and the counts of the round's record.

    Args:
        tensors: the parts of the ticket.
        record: `row` and `layers` of the round.
        source: name and weights of the dense network that the start must equal where it is kept;
            None where starts are drawn or carried on.
    """
    masks = tensors["masks"]
    checks = [_check_shapes(masks, tensors)]
    if not checks[0].passed:
        return checks  # the rest could not be computed
    layers = record["layers"]
    checks.append(_check_counts(masks, layers))
    for name in PRUNED:
        there = _count_pruned(tensors[name], masks)
        checks.append(Check(f"{name}: not zero where pruned", "0", str(there), there == 0))
    expected = sum(counts["live_zeros"] for counts in layers.values())
    zeros = sum(count_live_zeros(tensors["final"], masks).values())
    checks.append(Check("final: zero where kept", str(expected), str(zeros), zeros == expected))
    if source is not None:
        name, weights = source
        differing = _count_differing(tensors["start"], masked(weights, masks))
        what = f"start: values unlike {name} x mask"
        checks.append(Check(what, "0", str(differing), differing == 0))
    return checks


def check_run(
    tensors: TicketTensors,
    stored: Mapping[str, Tensors],
    entry: Mapping[str, Any],
    record: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> list[Check]:
    """Check that a ticket is what its run's files hold.

    Args:
        tensors: the parts of the ticket.
        stored: the parts that the run still has.
        entry: the content of ticket.json.
        record: the round's, of the run.
        facts: what else ticket.json must say, some of its entries.
    """
    checks = []
    for what, ours, theirs in (
        ("ticket.json: metrics", entry["row"], record["row"]),
        ("ticket.json: counts", entry["layers"], record["layers"]),
        ("ticket.json: other facts", {name: entry.get(name) for name in facts}, facts),
    ):
        differing = sorted(key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key))
        got = f"other {', '.join(differing)}" if differing else "the run's"
        checks.append(Check(what, "the run's", got, not differing))
    for name, part in stored.items():
        same = digest(part) == digest(tensors[name])
        checks.append(Check(f"{name}: bits", "the run's", "the run's" if same else "other", same))
    return checks


def format_checks(checks: Sequence[Check]) -> str:
    """A table of checks, those that failed marked, and PASS or FAIL below it."""
    lines = [
        {"what": c.what, "expected": c.expected, "got": c.got, "": "" if c.passed else "<-"}
        for c in checks
    ]
    table = pd.DataFrame(lines).to_string(index=False, justify="left", formatters=_left(lines))
    verdict = "PASS" if all(check.passed for check in checks) else "FAIL"
    return "\n".join([*(line.rstrip() for line in table.splitlines()), verdict])


def _left(lines: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Formatters that put the words of each column on the left."""
    widths = {name: max(len(line[name]) for line in lines) for name in lines[0]}
    return {name: (lambda text, w=width: text.ljust(w)) for name, width in widths.items()}


def _check_shapes(masks: Masks, tensors: TicketTensors) -> Check:
    there = {name: tuple(mask.shape) for name, mask in masks.items()}
    for part in (*PRUNED, "initial"):
        shapes = {name: tuple(t.shape) for name, t in tensors[part].items() if name in masks}
        if shapes != there:
            differing = sorted(name for name in there if shapes.get(name) != there[name])
            return Check("masks: shapes", f"{part}'s", f"other {', '.join(differing)}", False)
    return Check("masks: shapes", "the weights'", "the weights'", True)


def _check_counts(masks: Masks, layers: Mapping[str, Mapping[str, int]]) -> Check:
    ours = {name: (int(mask.sum()), mask.numel()) for name, mask in masks.items()}
    theirs = {name: (counts["remaining"], counts["weights"]) for name, counts in layers.items()}
    differing = sorted(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))
    some = differing[:1]  # one of the layers that differ says enough
    expected, got = (_describe_counts(counts, some) for counts in (theirs, ours))
    return Check("masks: weights kept", expected, got, not differing)


def _describe_counts(counts: Mapping[str, tuple[int, int]], some: Sequence[str]) -> str:
    chosen = {name: counts.get(name, (0, 0)) for name in some} or counts
    kept, size = (sum(column) for column in zip(*chosen.values(), strict=True))
    return f"{' '.join(some)} {kept} of {size} ({format_percent(kept / max(size, 1))} %)".strip()


def _count_pruned(weights: Tensors, masks: Masks) -> int:
    """Weights on pruned places that are not zero, nan included."""
    return sum(int((~mask & ~(weights[name] == 0)).sum()) for name, mask in masks.items())


def _count_differing(here: Tensors, there: Tensors) -> int:
    if here.keys() != there.keys():
        return len(here.keys() ^ there.keys())
    return sum(_differing(tensor, there[name]) for name, tensor in here.items())


def _differing(here: Tensor, there: Tensor) -> int:
    return int((here != there).sum()) if here.shape == there.shape else here.numel()

"""The stages of a round, each with its checks."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lottery.distributed import from_main
from lottery.dynamic import Moving, starts_dense
from lottery.imp.checks import (
    check_first_step,
    check_masks,
    check_ranks_agree,
    check_source,
    check_start,
    check_trained,
    check_unchanged,
)
from lottery.imp.imp import Imp
from lottery.imp.learned import check_learned
from lottery.imp.moving import check_moved, moved_segments
from lottery.imp.round_record import make_record, report_round
from lottery.masks import Masks, count_ones
from lottery.measure.train_flops import Segment, trained_flops
from lottery.models.state import Start, State
from lottery.reinit import Stored
from lottery.training import Outcome

log = logging.getLogger(__name__)

Checks = dict[str, Any]  # what the checks have measured, as results.json states it


@dataclass(frozen=True)
class Round:
    """A round that is ready to be trained."""

    number: int
    start: Start  # dense
    masks: Masks
    initial: State  # the dense network before its first step, W_0
    checks: Checks  # measured so far
    moving: Moving | None = None  # moves the masks while it trains


def read_stored(imp: Imp, number: int, previous: int) -> Stored:
    """Read what round `number` may start from, after round `previous`."""
    storage, step = imp.storage, imp.reinit.rewind_step
    initial = storage.initial()
    # keep=winner may have dropped the end of the round before, which copied masks do not need.
    needs_last = imp.pruning.pruner.nested or storage.has_final(previous)
    return Stored(
        round=number,
        initial=initial,
        rewind_point=storage.rewind_point(step) if step else initial,
        last=storage.final(previous) if needs_last else State({}, {}),
        num_steps=imp.num_steps,
        fresh=imp.fresh,
        prunable=imp.pruning.prunable,
    )


def prune(imp: Imp, stored: Stored, before: Masks) -> tuple[Masks, Checks]:
    """Make a round's masks and compare those of all processes of the run."""
    number, pruner = stored.round, imp.pruning.pruner
    trained = imp.pruning.trained(number, last=stored.last, initial=stored.initial, before=before)
    if starts_dense(imp.dynamic):  # and is pruned while it trains
        kept = sum(count_ones(trained.masks).values())
        return trained.masks, {"ones_before": kept}
    masks = from_main(lambda: pruner(trained)) if imp.pruning.scored_on_main else pruner(trained)
    check_ranks_agree(number, "masks", masks)
    checks = check_masks(
        number,
        masks=masks,
        before=trained.masks,
        expected=pruner.expected(trained),
        nested=pruner.nested,
        count=pruner.count,
    )
    for name in checks["empty_layers"]:
        log.warning("round %d: no weight of %s is left", number, name)
    return masks, checks


def rewind(imp: Imp, stored: Stored) -> tuple[Start, Checks]:
    """Make a round's start, dense, by the run's reinit."""
    start = imp.reinit(stored)
    sources = {"rewind_point": stored.rewind_point, "last": stored.last}
    checks = check_source(
        stored.round,
        start=State(start.weights, start.buffers),
        source=sources[imp.reinit.source] if imp.reinit.source else None,
        initial=stored.initial,
    )
    return start, checks


def train(imp: Imp, ready: Round, check_owned: Callable[[], None]) -> None:
    """Store a round's start, train, check and store what came out; the record ends the round."""
    storage, number, start, masks = imp.storage, ready.number, ready.start, ready.masks
    moving, moved = ready.moving, None
    storage.save_masks(number, masks, at_start=moving is not None)
    storage.save_start(number, start, masks)
    stored = storage.start(number)
    dense = State(start.weights, start.buffers)
    checks = ready.checks | check_start(number, stored=stored, dense=dense, masks=masks)

    keep_step = imp.reinit.rewind_step if number == 0 and imp.reinit.rewind_step else None
    early_bird = imp.pruning.detector(number, ready.initial, masks)
    outcome = imp.fit(
        number, start, masks, keep_step=keep_step, early_bird=early_bird, moving=moving
    )

    final, trained = outcome.final, {"at ES": outcome.es, "at the end": outcome.final}
    checks |= check_first_step(number, seen=outcome.first_seen, expected=outcome.first_expected)
    check_ranks_agree(number, "trained weights", final.weights | final.buffers)
    at_start = masks
    if moving and (moved := outcome.moved):
        masks = moved.masks
        checks |= check_moved(imp, moving, moved)
        storage.save_masks(number, masks)
    if outcome.learned is not None:
        masks = outcome.learned
        check_ranks_agree(number, "learned masks", masks)
        checks |= check_learned(number, start, trained, at_start=at_start, masks=masks)
        storage.save_masks(number, masks)
        storage.save_start(number, start, masks)
    checks |= check_trained(
        number,
        started=outcome.started,
        stored=stored,
        trained=trained,
        masks=masks,
        at_start=at_start,
    )
    checks |= check_unchanged(
        number, before=storage.initial_digest(), after=storage.initial_digest_now()
    )

    storage.save_outcome(number, outcome, with_optimizer=imp.reinit.carries_optimizer)
    counts = count(imp, ready, outcome, masks)
    record = make_record(number, outcome=outcome, masks=masks, counts=counts, checks=checks)
    if moved:
        record["dynamic"] = list(moved.moves)
    if early_bird:
        record["early_bird"] = early_bird.record()
        log.info("round %d: early bird at step %s", number, early_bird.step)
    if imp.place:
        record["trained"] = imp.place.copy()
        # of a round that began on other hardware the digest here would not be the whole truth
        if number == 0 and outcome.in_one_place and (shaped_by := storage.dense.digest):
            record["trained"]["dense"] = shaped_by
    storage.finish_round(record, check_owned)
    report_round(record["row"], outcome, storage.score)


def count(imp: Imp, ready: Round, outcome: Outcome, masks: Masks) -> dict[str, Any]:
    """Count parameters and operations under a round's last masks, and what its training cost."""
    counts = imp.count(masks)
    if imp.cost is None:
        return counts
    forward = trained_flops(counts, "flops_remaining")
    gradients = forward if outcome.learned is None else trained_flops(counts, "flops")
    segments = [Segment(outcome.steps, forward, gradients)]
    if ready.moving and outcome.moved:
        segments = moved_segments(ready.moving, outcome.moved, counts, outcome.steps)
    rows = imp.storage.rows()
    return counts | imp.cost.columns(ready.number, segments, counts=counts, rows=rows)

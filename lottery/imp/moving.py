"""Rounds whose masks move while they train: how they begin, and the checks of their ends."""

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import torch

from lottery.dynamic import Moving, Span, WrongMove, has_dense_gradients
from lottery.imp.checks import BrokenInvariant, check_masks
from lottery.imp.imp import Imp
from lottery.masks import Masks, count_ones, count_shared
from lottery.measure.train_flops import Segment, segment_of
from lottery.models.state import Start
from lottery.pruning import ScoredPruner, Trained
from lottery.reinit import Stored
from lottery.seeds import derive_seed
from lottery.tensors import Tensors
from lottery.training.mover import Moved


def begin_moving(
    imp: Imp, stored: Stored, before: Masks, *, start: Start, masks: Masks
) -> Moving | None:
    """Return what moves a round's masks; None if they stay.

    `before` are the masks of the round before, `masks` those that the round begins with.
    """
    if imp.dynamic is None:
        return None
    pruning, number = imp.pruning, stored.round
    initial = {name: stored.initial.weights[name] for name in pruning.prunable}

    def now(step: int, weights: Tensors, masks: Masks) -> Trained:
        seed = derive_seed(pruning.seed, number, step)
        return Trained(
            round=number,
            weights=weights,
            initial=initial,
            masks=masks,
            generator=torch.Generator().manual_seed(seed),
        )

    def prune(trained: Trained, keep: dict[str, int]) -> Masks:
        assert isinstance(pruning.pruner, ScoredPruner)  # the config has checked it
        return pruning.pruner.prune_to(trained, keep)

    trained = pruning.trained(number, stored.last, stored.initial, before)
    return Moving(
        round=number,
        dynamic=imp.dynamic,
        span=Span(start.first_step, start.last_step),
        start=masks,
        target=pruning.pruner.expected(trained),
        now=now,
        prune=prune,
        num_steps=imp.num_steps,
    )


def moved_segments(
    moving: Moving, moved: Moved, counts: Mapping[str, Any], steps: int
) -> list[Segment]:
    """Return the steps of a round between its updates, and the passes of the updates."""
    sizes = {name: mask.numel() for name, mask in moving.start.items()}
    alive, begun, last = count_ones(moving.start), moving.span.first, moving.span.first + steps
    found = []
    for step, moves in groupby(moved.moves, key=itemgetter("step")):
        found.append(segment_of(counts, sizes, alive, steps=step - begun))
        if has_dense_gradients(moving.dynamic):
            found.append(segment_of(counts, sizes, alive, steps=1, dense_gradients=True))
        alive, begun = {move["layer"]: move["remaining"] for move in moves}, step
    return [*found, segment_of(counts, sizes, alive, steps=last - begun)]


def check_moved(imp: Imp, moving: Moving, moved: Moved) -> dict[str, Any]:
    """Check every update against the dynamic, and the last masks against the round's counts."""
    number, alive = moving.round, count_ones(moving.start)
    steps = list(dict.fromkeys(move["step"] for move in moved.moves))
    if steps != list(moving.steps):
        raise BrokenInvariant(
            f"round {number}: masks moved after steps {steps}, {list(moving.steps)} expected"
        )
    for step in steps:
        moves = [move for move in moved.moves if move["step"] == step]
        try:
            moving.check(step, alive, moves)
        except WrongMove as error:
            raise BrokenInvariant(str(error)) from error
        alive = {move["layer"]: move["remaining"] for move in moves}
    if alive != count_ones(moved.masks):
        raise BrokenInvariant(
            f"round {number}: the masks have {count_ones(moved.masks)} weights at the end, "
            f"{alive} after the last update"
        )
    pruner = imp.pruning.pruner
    checks = check_masks(
        number,
        masks=moved.masks,
        before=moving.start,
        expected=moving.target,
        nested=False,
        count=pruner.count,
    )
    checks["ones_before"] = sum(count_ones(moving.start).values())
    return {**checks, "updates": len(steps), "stayed": count_shared(moving.start, moved.masks)}

"""Iterative magnitude pruning: train, prune, rewind, repeat."""

from collections.abc import Callable, Sequence

from lottery.imp.imp import Imp
from lottery.imp.moving import begin_moving
from lottery.imp.stages import Round, prune, read_stored, rewind, train
from lottery.masks import ones
from lottery.models.state import start_at
from lottery.record.schema import Row


def run_rounds(
    imp: Imp,
    check_owned: Callable[[], None] = lambda: None,
    show: Callable[[Sequence[Row]], None] = lambda _: None,
) -> list[Row]:
    """Do the rounds that are not finished yet; return the rows of all rounds asked for.

    `check_owned` raises if another process has taken the run's folder over. `show` gets the rows
    that there are, at the start and after each round.
    """
    storage = imp.storage
    storage.remove_leftovers()
    rows = storage.update_tables()  # a kill may have come between a record and its tables
    if imp.rounds.todo(rows):
        storage.link_older_rounds()
    show(imp.rounds.rows(rows))
    while todo := imp.rounds.todo(rows):
        number = todo[0]
        if number > 0:
            train(imp, pruned_round(imp, number), check_owned)
        elif not storage.take_dense_round(
            imp.reinit.rewind_step, with_optimizer=imp.reinit.carries_optimizer
        ):
            train(imp, dense_round(imp), check_owned)
        rows = storage.update_tables()
        storage.drop_unneeded(rows)
        show(imp.rounds.rows(rows))
    return imp.rounds.rows(rows)


def dense_round(imp: Imp) -> Round:
    """Begin round 0: draw the initial network W_0, with nothing pruned."""
    initial = imp.fresh("init")
    masks = ones({name: initial.weights[name] for name in imp.pruning.prunable})
    num_weights = sum(mask.numel() for mask in masks.values())
    checks = {"ones_after": num_weights, "rewind_step": imp.reinit.rewind_step}
    start = start_at(initial, imp.num_steps)
    return Round(number=0, start=start, masks=masks, initial=initial, checks=checks)


def pruned_round(imp: Imp, number: int) -> Round:
    """Begin a later round: prune what the round before trained, and rewind what is left."""
    previous = imp.rounds.before(number)
    stored = read_stored(imp, number, previous)
    before = imp.storage.masks(previous)
    masks, pruning_checks = prune(imp, stored, before)
    start, rewind_checks = rewind(imp, stored)
    return Round(
        number=number,
        start=start,
        masks=masks,
        initial=stored.initial,
        checks=pruning_checks | rewind_checks,
        moving=begin_moving(imp, stored, before, start=start, masks=masks),
    )

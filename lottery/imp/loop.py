"""The round loop: a round is a list of stages, each skipped when its output exists."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch

from lottery.distributed import from_main
from lottery.imp.checks import (
    check_first_step,
    check_masks,
    check_ranks_agree,
    check_source,
    check_start,
    check_trained,
    check_unchanged,
)
from lottery.imp.round_folders import adopt_dense_round, drop_unneeded
from lottery.imp.round_record import make_record, report_round
from lottery.imp.storage import Storage
from lottery.masks import Masks, count_ones, masked, ones
from lottery.models.state import Start, State, start_at
from lottery.pruning import MakeProbe, Pruner, Trained
from lottery.pruning.probe import no_probe
from lottery.record.records import read_records, write_record
from lottery.record.run_dir import RunDir
from lottery.record.schema import Record, Row
from lottery.record.tables import write_tables
from lottery.reinit import Reinit, Stored
from lottery.seeds import derive_seed
from lottery.training import EarlyBird, Outcome

log = logging.getLogger(__name__)


class Fit(Protocol):
    """Trains one round."""

    def __call__(
        self,
        round_number: int,
        start: Start,
        masks: Masks,
        keep_step: int | None,
        early_bird: EarlyBird | None,
    ) -> Outcome:
        """Train from `start` under `masks`, keeping the state at `keep_step`."""
        ...


class NothingToRewindTo(Exception):
    """Early stopping ended the dense training before the rewind point."""


@dataclass(frozen=True)
class Imp:
    """What the round loop works with; training, pruning and rewinding come from outside.

    Args:
        storage: the rounds' files.
        rounds: the rounds to do, ascending from 0.
        num_steps: steps of a whole training, T.
        fresh: a random network's state, drawn for the purpose named by the arguments.
        prunable: names of the weights that can be pruned.
        fit: trains a round.
        prune: makes a round's masks.
        reinit: makes a round's start.
        pruning_seed: the run's seed for pruning.
        count: parameters and operations under masks.
        target_sparsity: stop after the first round that reaches it, or None.
        keep: "all" rounds' weights stay on disk, or the "winner"'s and what later work needs.
        dense_from: another run whose round 0 is this run's too, or None.
        update_views: brings what is derived from the records, beside the tables, up to date.
        check_owned: raises where another process has taken the folder over.
        early_bird: the epsilon of the early-bird detection, or None.
        prune_at: "trained" weights are judged, or those at "init".
        probe: makes what runs the network, for criteria that do.
    """

    storage: Storage
    rounds: Sequence[int]
    num_steps: int
    fresh: Callable[..., State]
    prunable: Sequence[str]
    fit: Fit
    prune: Pruner
    reinit: Reinit
    pruning_seed: int
    count: Callable[[Masks], dict[str, Any]]
    target_sparsity: float | None
    keep: str
    dense_from: RunDir | None
    update_views: Callable[[], None]
    check_owned: Callable[[], None] = lambda: None
    early_bird: float | None = None
    prune_at: str = "trained"
    probe: MakeProbe = no_probe

    @property
    def run_dir(self) -> RunDir:
        """The run's folder."""
        return self.storage.run_dir

    @property
    def todo(self) -> list[int]:
        """The rounds that are not finished, as far as the target sparsity lets them be done."""
        rows = self.rows
        last = self.rounds[-1]
        if rows and self._reaches_target(rows[-1]):
            last = rows[-1]["round"]
        finished = {row["round"] for row in rows}
        return [number for number in self.rounds if number <= last and number not in finished]

    @property
    def rows(self) -> list[Row]:
        """The rows of the rounds asked for that are finished, up to the target sparsity."""
        rows = []
        for record in read_records(self.run_dir):
            if record["row"]["round"] in self.rounds:
                rows.append(record["row"])
                if self._reaches_target(record["row"]):
                    break
        return rows

    def _reaches_target(self, row: Row) -> bool:
        # remaining is a quotient of counts, and 1 - 0.2 is not quite 0.8
        target = self.target_sparsity
        return target is not None and row["remaining"] <= 1 - target + 1e-12


def run_rounds(imp: Imp) -> list[Row]:
    """Do the rounds that are not finished yet.

    Returns:
        The rows of the rounds asked for.

    Raises:
        BrokenInvariant: a check at a round boundary failed.
        Diverged: the loss of a training is no longer finite.
        NothingToRewindTo: round 0 ended before the rewind point.
    """
    from_main(imp.run_dir.remove_leftovers)
    _update_views(imp)  # a kill may have come between a record and its tables
    while todo := from_main(lambda: imp.todo):
        number = todo[0]
        earlier = [done for done in imp.rounds if done < number]
        if earlier:
            _pruned_round(imp, number, earlier[-1])
        elif imp.dense_from is not None:
            from_main(partial(adopt_dense_round, imp.dense_from, imp.run_dir))
        else:
            _dense_round(imp)
        _update_views(imp)
        if imp.keep == "winner":
            from_main(partial(drop_unneeded, imp.run_dir))
    return from_main(lambda: imp.rows)


def _update_views(imp: Imp) -> None:
    from_main(lambda: write_tables(imp.run_dir))
    from_main(imp.update_views)


def _dense_round(imp: Imp) -> None:
    """Round 0: store the initial network, then train it with nothing pruned."""
    initial = imp.fresh("init")
    masks = ones({name: initial.weights[name] for name in imp.prunable})
    imp.storage.save_masks(0, masks)
    start = start_at(initial, imp.num_steps)
    ones_after = sum(mask.numel() for mask in masks.values())
    checks = {"ones_after": ones_after, "rewind_step": imp.reinit.rewind_step}
    _train(imp, 0, start, masks, checks)


def _pruned_round(imp: Imp, number: int, previous: int) -> None:
    """Round r: prune what round `previous` trained, rewind the rest, train."""
    stored = stored_for(imp, number, previous)
    masks, checks = _prune(imp, previous, stored)
    start = imp.reinit(stored)
    dense = State(start.weights, start.buffers)
    sources = {"rewind_point": stored.rewind_point, "last": stored.last}
    source = sources[imp.reinit.source] if imp.reinit.source else None
    checks |= check_source(number, dense, source, stored.initial)
    _train(imp, number, start, masks, checks)


def stored_for(imp: Imp, number: int, previous: int) -> Stored:
    """What round `number` may start from, after round `previous`."""
    return Stored(
        round=number,
        initial=imp.storage.initial(),
        rewind_point=_rewind_point(imp),
        last=_last(imp, previous),
        num_steps=imp.num_steps,
        fresh=imp.fresh,
        prunable=imp.prunable,
    )


def _last(imp: Imp, previous: int) -> State:
    """The end of the round before; nothing where keep=winner dropped it and copying needs none."""
    if not imp.prune.nested and not imp.storage.has_final(previous):
        return State({}, {})
    return imp.storage.final(previous)


def _rewind_point(imp: Imp) -> State:
    if imp.reinit.rewind_step == 0:
        return imp.storage.initial()
    if not imp.storage.has_rewind_point():
        raise NothingToRewindTo(
            f"round 0 has stopped before step {imp.reinit.rewind_step}, which reinit.to names"
        )
    return imp.storage.rewind_point()


def _prune(imp: Imp, previous: int, stored: Stored) -> tuple[Masks, dict[str, Any]]:
    """The round's masks, made by every process and compared; anew at every start."""
    number, storage = stored.round, imp.storage
    trained = _trained(imp, number, stored.last, stored.initial, storage.masks(previous))
    masks = imp.prune(trained)
    check_ranks_agree(number, "masks", masks)
    storage.save_masks(number, masks)
    checks = check_masks(
        *(number, masks, trained.masks, imp.prune.expected(trained)),
        nested=imp.prune.nested,
        count=imp.prune.count,
    )
    for name in checks["empty_layers"]:
        log.warning("round %d: no weight of %s is left", number, name)
    return masks, checks


def _trained(imp: Imp, number: int, last: State, initial: State, before: Masks) -> Trained:
    """What round `number`'s masks are made from."""
    state = initial if imp.prune_at == "init" else last
    # in the network's order, which breaks ties under a global scope; files are sorted
    masks = {name: before[name] for name in imp.prunable}
    weights = {name: w for name, w in state.weights.items() if name in imp.prunable}
    return Trained(
        round=number,
        weights=masked(weights, masks),  # the initial ones are stored dense
        initial={name: initial.weights[name] for name in imp.prunable},
        masks=masks,
        generator=torch.Generator().manual_seed(derive_seed(imp.pruning_seed, number)),
        state=state,
        probe=imp.probe,
    )


def _early_bird(imp: Imp, number: int, masks: Masks) -> EarlyBird | None:
    """Looks at what round `number + 1` would prune."""
    if imp.early_bird is None:
        return None
    initial = imp.storage.initial()

    def next_masks(state: State) -> Masks:
        return imp.prune(_trained(imp, number + 1, state, initial, masks))

    return EarlyBird(imp.early_bird, sum(count_ones(masks).values()), next_masks)


def _train(imp: Imp, number: int, start: Start, masks: Masks, checks: dict[str, Any]) -> None:
    """Store the start, train, store the weights; the record comes last and ends the round."""
    storage = imp.storage
    storage.save_start(number, start, masks)
    stored = storage.start(number)
    checks |= check_start(number, stored, State(start.weights, start.buffers), masks)
    initial_digest = storage.initial_digest()
    keep_step = imp.reinit.rewind_step if number == 0 and imp.reinit.rewind_step else None

    early_bird = _early_bird(imp, number, masks)
    outcome = imp.fit(number, start, masks, keep_step, early_bird)

    checks |= check_first_step(number, outcome.first_seen, outcome.first_expected)
    check_ranks_agree(number, "trained weights", outcome.final.weights | outcome.final.buffers)
    trained = {"at ES": outcome.es, "at the end": outcome.final}
    checks |= check_trained(number, outcome.started, stored, trained, masks)
    checks |= check_unchanged(number, initial_digest, storage.initial_digest())
    storage.save_outcome(number, outcome, with_optimizer=imp.reinit.carries_optimizer)
    record = make_record(number, outcome, masks, imp.count(masks), checks)
    if early_bird:
        record["early_bird"] = early_bird.record()
        log.info("round %d: early bird at step %s", number, early_bird.step)
    from_main(imp.check_owned)
    from_main(partial(_finish_round, imp.run_dir, record))
    report_round(record["row"], outcome)


def _finish_round(run_dir: RunDir, record: Record) -> None:
    write_record(run_dir, record)
    run_dir.round(record["row"]["round"]).checkpoint.unlink(missing_ok=True)

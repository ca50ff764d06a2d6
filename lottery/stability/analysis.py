"""The whole analysis: for each round and step a branch, pairs of copies of it, the lines."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lottery.masks import Masks
from lottery.models.state import Start
from lottery.progress import Progress
from lottery.record.run_dir import StabilityDir
from lottery.record.score import Score
from lottery.record.stability_schema import PairJson
from lottery.stability.copies import OWN, Branch, Trainings, copy_name
from lottery.stability.interpolation import evenly_spaced
from lottery.stability.pairs import Ends, measure_pair, same_start
from lottery.stability.tables import barriers, write_stability_tables
from lottery.stability.untrained import measure_untrained
from lottery.training import LightningFit

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """A round and a step of it, from which copies go on."""

    round: int
    step: int  # k, on the run's clock
    start: Start  # the round's, dense
    masks: Masks


@dataclass(frozen=True)
class Analysis:
    """What an analysis needs."""

    fit: LightningFit  # the run's own training, without loggers and callbacks
    folder: StabilityDir
    buffers: Collection[str]  # names of the network's buffers
    targets: Sequence[Target]  # ascending: tickets are compared with the dense network
    pairs: int  # of copies, for each target
    points: int  # of the line between two copies, the ends included
    progress: Progress

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise ValueError(f"pairs={self.pairs}: 1 or more")
        evenly_spaced(self.points)


def analyse(analysis: Analysis) -> None:
    """Do what is not there yet; update the tables after every pair."""
    folder, fit, score = analysis.folder, analysis.fit, analysis.fit.task.score
    folder.remove_leftovers()
    trainings = Trainings(fit, folder, analysis.buffers, analysis.progress)
    steps = _steps_to_train(analysis, trainings)
    dense: dict[int, Branch] = {}
    with analysis.progress.running(range(1, len(steps) + 1), steps):
        for target in analysis.targets:
            where = folder.untrained(target.round)
            measure_untrained(fit, target.round, target.start, target.masks, where)
            branch = trainings.branch(target.round, target.start, target.masks, target.step)
            if target.round == 0:
                dense[target.step] = branch
            for pair in range(analysis.pairs):
                found = _pair(analysis, trainings, branch, dense.get(target.step), pair)
                _report(found, score)
                write_stability_tables(folder, score)


def _pair(
    analysis: Analysis, trainings: Trainings, branch: Branch, dense: Branch | None, number: int
) -> PairJson:
    """Train and measure a pair: copies 2 * number and 2 * number + 1."""

    def ends_of(of: Branch) -> Ends:
        return Ends(trainings.copy(of, 2 * number), trainings.copy(of, 2 * number + 1))

    comparable = dense is not None and dense is not branch and same_start(dense, branch)
    return measure_pair(
        analysis.fit,
        branch=branch,
        ends=ends_of(branch),
        dense=ends_of(dense) if dense is not None and comparable else None,
        alphas=evenly_spaced(analysis.points),
        path=analysis.folder.pair(branch.round, branch.step, number),
        number=number,
    )


def _steps_to_train(analysis: Analysis, trainings: Trainings) -> list[int]:
    """Return the number of steps of each training that is not there yet."""
    steps = []
    for target in analysis.targets:
        first, last = target.start.first_step, target.start.last_step
        lengths = {copy_name(n): last - target.step for n in range(2 * analysis.pairs)}
        if target.step > first:
            lengths = {OWN: target.step - first, **lengths}
        steps += [
            length
            for name, length in lengths.items()
            if not trainings.is_there(target.round, target.step, name)
        ]
    return steps


def _report(entry: PairJson, score: Score) -> None:
    where = f"round {entry['round']}, step {entry['step']}, pair {entry['pair']}"
    train, test = (score.format(barrier) for barrier in barriers(entry).values())
    what = "error barrier %s points" if score.is_share else f"{score.metric} barrier %s"
    log.info(f"%s: {what} on training data, %s on test", where, train, test)

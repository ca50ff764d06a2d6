"""Lines between the ends of rounds: of one run from round to round, or of two runs."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from lottery.errors import ConfigError
from lottery.masks import Masks, density
from lottery.models.state import State
from lottery.record.run_dir import StabilityDir
from lottery.record.stability_schema import LineJson, LinePoint
from lottery.record.typed import read_typed
from lottery.stability.alignment import match_activations, match_weights, some_inputs
from lottery.stability.chain import NoChain, chain_of, check_chain
from lottery.stability.copies import REPAIR
from lottery.stability.distances import distance
from lottery.stability.interpolation import evenly_spaced, has_norms
from lottery.stability.line_tables import write_line_tables
from lottery.stability.pairs import Ends, measure_points
from lottery.stability.tables import barriers
from lottery.training import LightningFit

log = logging.getLogger(__name__)

ALIGNMENTS = ("weights", "activations")
NONE = "none"


@dataclass(frozen=True)
class StoredNetwork:
    """The end of a round's training, and its masks."""

    state: State
    masks: Masks


@dataclass(frozen=True)
class Line:
    """A line from a round of this run to a round of another run, or of this one."""

    round: int
    other: str  # the other run, its name and seed; "" for this one
    other_round: int
    first: Callable[[], StoredNetwork]  # reads it
    second: Callable[[], StoredNetwork]

    def __str__(self) -> str:
        """Name its ends."""
        of_other = f" of {self.other}" if self.other else ""
        return f"between round {self.round} and round {self.other_round}{of_other}"


@dataclass(frozen=True)
class LineAnalysis:
    """What an analysis of lines needs."""

    fit: LightningFit  # has the network, the data and the loss; nothing is trained
    folder: StabilityDir
    lines: Sequence[Line]
    points: int  # of each line, the ends included
    align: str = NONE  # how units of the second network are matched with those of the first

    def __post_init__(self) -> None:
        if self.align not in (NONE, *ALIGNMENTS):
            raise ValueError(f"align={self.align!r}: one of {', '.join(ALIGNMENTS)}")
        evenly_spaced(self.points)

    def check(self) -> None:
        """Check what can be known before anything is written.

        Raises:
            ConfigError: the network cannot be aligned, or the other run has another network.
        """
        first, second = self.lines[0].first(), self.lines[0].second()
        ours, theirs = (
            {name: tuple(tensor.shape) for name, tensor in (s.weights | s.buffers).items()}
            for s in (first.state, second.state)
        )
        if ours != theirs:
            name = next(n for n in [*ours, *theirs] if ours.get(n) != theirs.get(n))
            raise ConfigError(
                f"--with: {self.lines[0].other} has another network: {name} has shape "
                f"{theirs.get(name, 'none')}, not {ours.get(name, 'none')}"
            )
        if self.align == NONE:
            return
        try:
            network = self.fit.network.to(self.fit.device.torch_device)
            inputs = some_inputs(self.fit.splits.train)
            check_chain(network, chain_of(network), first.state, inputs)
        except NoChain as error:
            raise ConfigError(f"--align {self.align}: {error}") from error


def analyse_lines(analysis: LineAnalysis) -> None:
    """Measure what is not there yet; update the tables after every line."""
    analysis.folder.remove_leftovers()
    for line in analysis.lines:
        entry = _measure(analysis, line)
        train, test = map(analysis.fit.task.score.format, barriers(entry).values())
        log.info("%s: barrier %s on training data, %s on test data", line, train, test)
        write_line_tables(analysis.folder)


def _measure(analysis: LineAnalysis, line: Line) -> LineJson:
    """Measure a line; add to its file what is not there yet, and return the file's content."""
    first, second = line.first(), line.second()
    if analysis.align != NONE:
        second = align(analysis.fit, first, second, analysis.align)
    ends = Ends(first.state, second.state)
    path = analysis.folder.line(line.round, line.other, line.other_round, analysis.align)
    entry: LineJson = {
        "round": line.round,
        "other": line.other,
        "other_round": line.other_round,
        "align": analysis.align,
        "remaining": density(first.masks),
        "other_remaining": density(second.masks),
        "networks": ends.digests,
        "points": _known_points(path, ends.digests),
        "batch_norm": "recomputed" if has_norms(analysis.fit.network) else "none",
        "distances": distance(
            ends.first.weights, ends.second.weights, _kept_by_either(first.masks, second.masks)
        ),
    }
    measure_points(
        analysis.fit,
        ends=ends,
        entry=entry,
        alphas=evenly_spaced(analysis.points),
        path=path,
        where=str(line),
    )
    return entry


def align(
    fit: LightningFit, first: StoredNetwork, second: StoredNetwork, how: str
) -> StoredNetwork:
    """Return the second network with its units in the order that makes it most like the first.

    It computes the same. Its masks go along with its weights.
    """
    network = fit.network.to(fit.device.torch_device)
    chain = chain_of(network)
    if how == "weights":
        orders = match_weights(chain, first.state.weights, second.state.weights)
    else:
        orders = match_activations(
            chain, network, first.state, second.state, train=fit.splits.train
        )
    state = State(chain.reorder(second.state.weights, orders), second.state.buffers)
    return StoredNetwork(state, chain.reorder(second.masks, orders))


def _kept_by_either(first: Masks, second: Masks) -> Masks:
    """Return where one network keeps the weight; a layer without a mask keeps all."""
    return {
        name: torch.ones_like(mask)
        if name not in first or name not in second
        else first[name] | second[name]
        for name, mask in (first | second).items()
    }


def _known_points(path: Path, networks: Sequence[str]) -> list[LinePoint]:
    """Return the points in the file, if it is about these networks."""
    entry = read_typed(path, LineJson, REPAIR) if path.exists() else None
    return entry["points"] if entry and entry["networks"] == networks else []

"""Compare runs: which of their networks form pairs, and the tables of these."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from lottery.comparison.networks import Network, check_same_network, make_reader
from lottery.comparison.tables import NETWORK_COLUMNS, PAIR_COLUMNS, network_rows, pair_rows
from lottery.errors import ConfigError
from lottery.record.links import digest_of_run
from lottery.record.opened_run import OpenedRun
from lottery.report.read.groups import group_runs

if TYPE_CHECKING:
    import pandas as pd

NO_PATHS = (
    "effective_density and dead_units are empty for {}: they are computed for networks of lottery "
    "without branches (LeNet, Conv-N, VGG) if every layer can be pruned"
)
GONE = "the {} weights of {} are gone (keep=winner): what needs them is empty"

MOVED = "the masks of {} have moved while it trained: what needs its start is empty"

Key = tuple[int, int]  # number of the run, round


@dataclass(frozen=True)
class Comparison:
    """What a comparison has found, as tables.

    `pairs` has a row for each pair of networks and each layer, `networks` for each network and
    each layer; the layer "all" is all of them together. docs/how-to/compare.md explains the
    columns.
    """

    pairs: "pd.DataFrame"
    networks: "pd.DataFrame"
    notes: tuple[str, ...]  # why some cells are empty


def compare_runs(runs: Sequence[OpenedRun], rounds: Sequence[int] | None = None) -> Comparison:
    """Compare runs in pairs at equal rounds; one run alone with itself, round by round.

    Args:
        runs: one or more, of networks with the same layers.
        rounds: those to compare; None for all that every run has finished.

    Raises:
        ConfigError: there is nothing to compare, or the networks differ.
        DamagedFile: a file is not what was written.
    """
    import pandas as pd

    labels = label_runs(runs)
    chosen = choose_rounds(runs, rounds)
    read = make_reader(runs, labels)
    first = read(0, chosen[0])
    networks: dict[Key, list[dict[str, object]]] = {}
    pairs, notes = [], list[str]()
    for one, other in choose_pairs(len(runs), chosen):
        ends = read(*one), read(*other)
        for key, network in zip((one, other), ends, strict=True):
            if key not in networks:
                check_same_network(first, network)
                networks[key] = network_rows(network)
                notes += _notes(network)
        pairs += pair_rows(*ends)
    rows = [row for key in sorted(networks) for row in networks[key]]
    return Comparison(
        pairs=pd.DataFrame(pairs, columns=PAIR_COLUMNS),
        networks=pd.DataFrame(rows, columns=NETWORK_COLUMNS),
        notes=tuple(dict.fromkeys(notes)),
    )


def choose_rounds(runs: Sequence[OpenedRun], asked: Sequence[int] | None) -> list[int]:
    """Return the rounds to compare, ascending."""
    finished = [{record["row"]["round"] for record in run.records} for run in runs]
    common = sorted(set.intersection(*finished))
    for number in asked or ():
        for run, there in zip(runs, finished, strict=True):
            if number not in there:
                accepted = ", ".join(map(str, common)) or "none"
                raise ConfigError(
                    f"--rounds: round {number} of {run.path} is not finished; accepted: {accepted}"
                )
    chosen = common if asked is None else sorted(set(asked))
    if not chosen:
        raise ConfigError(f"{runs[-1].path}: no finished round in common with {runs[0].path}")
    if len(runs) == 1 and len(chosen) == 1:
        raise ConfigError(
            f"{runs[0].path}: one round, {chosen[0]}; name another run, or a second round"
        )
    return chosen


def choose_pairs(num_runs: int, rounds: Sequence[int]) -> list[tuple[Key, Key]]:
    """Return the pairs: runs at equal rounds; of one run each round with the next and the last.

    Example:
        >>> choose_pairs(2, [0, 7])
        [((0, 0), (1, 0)), ((0, 7), (1, 7))]
        >>> choose_pairs(1, [0, 1, 2])
        [((0, 0), (0, 1)), ((0, 0), (0, 2)), ((0, 1), (0, 2))]
    """
    if num_runs > 1:
        return [
            ((one, number), (other, number))
            for number in rounds
            for one, other in combinations(range(num_runs), 2)
        ]
    ends = [
        (number, end)
        for number, later in pairwise(rounds)
        for end in dict.fromkeys((later, rounds[-1]))
    ]
    return [((0, number), (0, end)) for number, end in ends]


def label_runs(runs: Sequence[OpenedRun]) -> list[str]:
    """Name each run by what distinguishes it from the others, as a report does, and its seed."""
    settings, _ = group_runs(runs)
    several_seeds = len({run.seed for run in runs}) > 1
    words = {
        digest_of_run(run.run_json): [setting.label] if len(settings) > 1 else []
        for setting in settings
        for run in setting.runs
    }
    return [
        ", ".join(
            [
                *words[digest_of_run(run.run_json)],
                *([f"seed {run.seed}"] if several_seeds or len(settings) == 1 else []),
            ]
        )
        for run in runs
    ]


def _notes(network: Network) -> list[str]:
    where = f"{network.label}, round {network.round}"
    missing = [name for name in ("start", "final") if getattr(network, name) is None]
    notes = [GONE.format(name, where) for name in missing]
    if network.has_moved:
        notes = [MOVED.format(where), *notes[1:]]
    return notes if network.is_chain else [*notes, NO_PATHS.format(network.label)]

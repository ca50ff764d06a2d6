"""The lines that are asked for, between the stored ends of rounds of one or two runs."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from lottery.errors import ConfigError
from lottery.record.opened_run import OpenedRun

if TYPE_CHECKING:
    from lottery.imp import Storage
    from lottery.stability.lines import Line, StoredNetwork

Rounds = tuple[int, int]  # of the first network and of the second


def choose_ends(
    run: OpenedRun, other: OpenedRun | None, asked: Sequence[int] | None
) -> list[Rounds]:
    """Return the rounds at both ends of each line.

    They are equal rounds of two runs, or of one run each round with the next one that is asked.

    Raises:
        ConfigError: a round is not finished, there are too few, or its weights are gone.
    """
    runs = [run, other] if other else [run]
    common = sorted(set.intersection(*(set(one.finished_rounds) for one in runs)))
    rounds = common if asked is None else sorted(set(asked))
    for number in rounds:
        if number not in common:
            accepted = ", ".join(map(str, common)) or "none"
            raise ConfigError(f"--rounds: round {number} is not finished; accepted: {accepted}")
        for one in runs:
            final = one.folder.round(number).final
            if not final.exists():
                raise ConfigError(
                    f"--rounds: round {number} needs {final}, which keep=winner has dropped"
                )
    if other:
        ends = [(number, number) for number in rounds]
    else:
        ends = list(pairwise(rounds))
    if not ends:
        few = "no finished round in common" if other else "a line needs two finished rounds"
        raise ConfigError(f"--rounds: {few}: {', '.join(str(one.path) for one in runs)}")
    return ends


def make_lines(
    other: OpenedRun | None, ends: Sequence[Rounds], storage: "Storage"
) -> "list[Line]":
    """Return the lines with these rounds at their ends; `storage` is that of the run itself."""
    from lottery.imp import Storage
    from lottery.stability.lines import Line

    there = Storage(other.folder, storage.buffers) if other else storage
    name = f"{other.name}-seed_{other.seed}" if other else ""
    return [
        Line(
            round=first,
            other=name,
            other_round=second,
            first=_reader(storage, first),
            second=_reader(there, second),
        )
        for first, second in ends
    ]


def _reader(storage: "Storage", number: int) -> "Callable[[], StoredNetwork]":
    return partial(_read, storage, number)


def _read(storage: "Storage", number: int) -> "StoredNetwork":
    from lottery.stability.lines import StoredNetwork

    return StoredNetwork(storage.final(number), storage.masks(number))

"""A run's ticket: which round it is of, and taking it out into `ticket/`."""

from collections.abc import Mapping, Sequence
from typing import Any

from lottery.config.experiment import purpose_seed
from lottery.config.from_run_json import rebuild_settings
from lottery.config.frozen_base import find_base
from lottery.config.instantiate import load_target
from lottery.errors import ConfigError
from lottery.record.durations import parse_duration
from lottery.record.results import (
    Record,
    Row,
    read_record,
    read_records,
    read_run_json,
    sparsest_within,
    winning_round,
)
from lottery.record.run_dir import RunDir
from lottery.seeds import derive_seed
from lottery.tensors import Tensors, load_tensors
from lottery.ticket import Check, TicketTensors, check_tensors, write_ticket
from lottery.ticket.ticket import open_ticket

REWIND = "lottery.reinit.Rewind"


class WrongTicket(Exception):
    """A round's files do not fit together, so that no ticket is made of them.

    Args:
        checks: what was looked at.
    """

    def __init__(self, checks: Sequence[Check]) -> None:
        super().__init__("; ".join(check.what for check in checks if not check.passed))
        self.checks = checks


def choose_round(run_dir: RunDir, number: int | None, within: float | None) -> tuple[int, str]:
    """The round to take the ticket of, and why that one.

    Args:
        run_dir: the run.
        number: a round; or None for the winning round of a finished run,
        within: or for its sparsest round within so many percentage points of dense.

    Raises:
        ConfigError: there is no such round, or no saying which it is.
    """
    entry, rows = read_run_json(run_dir), [record["row"] for record in read_records(run_dir)]
    path, finished = run_dir.path, [row["round"] for row in rows]
    if number is not None:
        if number not in finished or number < 1:
            raise ConfigError(f"--round {number}: {path} {_pruned(rows)}")
        return number, "as asked"
    if entry["status"] != "finished":
        raise ConfigError(
            f"{path}: {entry['status']}, not finished, so that the winning round is not known; "
            f"it {_pruned(rows)}: carry it on, or name one by --round"
        )
    if within is None:
        winner = winning_round(rows)
        if winner is None:
            raise ConfigError(f"{path}: it {_pruned(rows)}; rounds=1 or more makes a ticket")
        return winner, "the winning round"
    sparsest = sparsest_within(rows, within)
    if sparsest is None:
        raise ConfigError(f"--within {within:g}: {path} has no pruned round that good")
    return sparsest, f"the sparsest within {within:g} points of dense"


def _pruned(rows: Sequence[Row]) -> str:
    numbers = [str(row["round"]) for row in rows if row["round"] >= 1]
    return f"has these pruned rounds: {', '.join(numbers)}" if numbers else "has no pruned round"


def take_out(run_dir: RunDir, number: int) -> bool:
    """Write `ticket/` of a round, or find it there.

    Args:
        run_dir: the run.
        number: the round.

    Returns:
        Whether it was written; one that is there stays as it is.

    Raises:
        ConfigError: there is a ticket of another round, or the round's weights are gone.
        DamagedFile: a file of the run or the ticket is not what was written.
        WrongTicket: the round's files do not fit together.
    """
    ticket = run_dir.ticket
    if ticket.path.exists():
        there = open_ticket(run_dir.path).entry["round"]
        if there != number:
            raise ConfigError(
                f"{ticket.path}: of round {there}, not {number}; rename or remove it for another, "
                f"or look at it as it is by --round {there}"
            )
        return False
    entry = read_run_json(run_dir)
    tensors = read_parts(run_dir, number)
    lacking = [name for name in ("start", "es", "final") if name not in tensors]
    if lacking:
        raise ConfigError(
            f"{run_dir.round(number).path}: no {lacking[0]} weights any more; keep=winner keeps "
            "those of the winning round and the last"
        )
    record = read_record(run_dir.round(number))
    checks = check_tensors(tensors, record, find_source(run_dir, number, tensors["initial"]))
    if not all(check.passed for check in checks):
        raise WrongTicket(checks)
    settings = rebuild_settings(entry)
    described = _describe(run_dir, entry, settings, record)
    base = _base_weights(entry, settings)
    try:
        write_ticket(ticket, tensors | ({"base": base} if base else {}), described)
    except OSError:
        if not ticket.path.exists():
            raise
        return take_out(run_dir, number)  # another process has been quicker
    return True


def read_parts(run_dir: RunDir, number: int) -> TicketTensors:
    """The parts of a round's ticket that the run has: keep=winner drops some rounds' weights."""
    folder = run_dir.round(number)
    files = {"start": folder.start, "es": folder.es, "final": folder.final}
    there = {name: file for name, file in files.items() if file.exists()}
    always = {"masks": folder.masks, "initial": run_dir.round(0).start}
    return {name: load_tensors(file) for name, file in (there | always).items()}


def find_source(run_dir: RunDir, number: int, initial: Tensors) -> tuple[str, Tensors] | None:
    """The dense network that a round's start is, under its mask, with a name for it.

    None where it is drawn anew, or not stored any more.
    """
    step = rewind_step(run_dir)
    if step is not None:
        at_step = load_tensors(run_dir.round(0).rewind) if step else initial
        return f"step {step}" if step else "initial", at_step
    previous = max(done for done in run_dir.finished_rounds() if done < number)
    file = run_dir.round(previous).final
    reinit = load_target({"_target_": _config(run_dir)["reinit._target_"]}, "reinit")
    if getattr(reinit, "source", None) == "last" and file.exists():
        return f"round {previous}'s end", load_tensors(file)
    return None


def rewind_step(run_dir: RunDir) -> int | None:
    """The step that the rounds of a run are rewound to; None where they are not."""
    config = _config(run_dir)
    if config["reinit._target_"] != REWIND:
        return None
    if not parse_duration(config["reinit.to"]).steps(1):  # 0 steps or 0 epochs
        return 0
    return int(read_record(run_dir.round(0))["checks"]["rewind_step"])


def _config(run_dir: RunDir) -> dict[str, Any]:
    return dict(read_run_json(run_dir)["config"])


def facts_of(run_dir: RunDir, record: Record) -> dict[str, Any]:
    """What ticket.json says of a round besides its record, and what no later start changes."""
    entry, row = read_run_json(run_dir), record["row"]
    return {
        "input_shape": entry["input_shape"],
        "num_classes": entry["num_classes"],
        "num_tokens": entry.get("num_tokens"),  # older runs have none
        "precision": entry["config"]["trainer.precision"],
        **{name: row[name] for name in ("round", "remaining", "ES")},
        "rewind_step": rewind_step(run_dir),
    }


def _describe(
    run_dir: RunDir, entry: Mapping[str, Any], settings: Mapping[str, Any], record: Record
) -> dict[str, Any]:
    """The content of ticket.json, less the digests."""
    trainer = settings["trainer"]
    processes = trainer["devices"] * trainer["num_nodes"]
    return {
        "model": settings["model"],
        **facts_of(run_dir, record),
        "row": record["row"],
        "layers": record["layers"],
        "run": {name: entry[name] for name in ("name", "key", "seed", "config")},
        "dataset": settings["dataset"],
        "digests": entry["digests"],
        "device": entry["machine"]["device"],
        "threads": entry["machine"]["threads"],
        "deterministic": trainer["deterministic"],
        # whose sums are in another order than those of one process that runs what is written
        "reordered": bool(trainer["compile"]) or processes > 1,
        "versions": entry["versions"],
        "git_commit": entry["git_commit"],
    }


def _base_weights(entry: Mapping[str, Any], settings: Mapping[str, Any]) -> Tensors:
    """The weights of the run's frozen base, which must be what they were; none without a base."""
    seed = derive_seed(purpose_seed(settings, "init"), "base")
    base = find_base(settings["model"], tuple(entry["input_shape"]), seed)
    if base is None:
        return {}
    weights = base.load().state_dict()
    if base.digest() != entry["digests"][base.name]:
        raise ConfigError(f"{base.name}: other weights than the run had")
    return dict(weights)

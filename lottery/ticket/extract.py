"""A run's ticket: the round it is made of, and how it is taken out into `ticket/`."""

from collections.abc import Mapping, Sequence
from typing import Any

from lottery.config.from_run_json import settings_of_run
from lottery.config.frozen_base import find_base
from lottery.config.replaced import is_supervised
from lottery.config.settings import Settings
from lottery.config.targets import load_target
from lottery.config.trust import check_trusted, making_from
from lottery.errors import ConfigError, LotteryError
from lottery.record.durations import parse_duration
from lottery.record.opened_run import OpenedRun
from lottery.record.rows import has_validation, sparsest_within
from lottery.record.schema import Record, Row, TicketLoops
from lottery.reinit.interface import Source
from lottery.runs.run_folder import check_run_folder
from lottery.seeds import derive_seed
from lottery.tensors import Tensors, load_of_run
from lottery.ticket.checks import TicketCheck, check_tensors
from lottery.ticket.files import TicketTensors, write_ticket
from lottery.ticket.ticket import Ticket, open_ticket


class WrongTicket(LotteryError):
    """A round's files do not fit together: no ticket is made of them."""

    def __init__(self, message: str, checks: Sequence[TicketCheck] = ()) -> None:
        super().__init__(message)
        self.checks = checks


def choose_round(run: OpenedRun, number: int | None, within: float | None) -> tuple[int, str]:
    """Return the round to make a ticket of, and why that one.

    The round is `number`, or the sparsest `within` so many percentage points of the dense one (of
    a score that is no share: within so much), or the winning round. Without validation data it is
    the last one instead.
    """
    rows = run.rows
    if number is not None:
        if number < 1 or number not in run.finished_rounds:
            raise ConfigError(f"--round {number}: {run.path} {_pruned(rows)}")
        return number, "as asked"
    status = run.run_json["status"]
    if status != "finished":
        raise ConfigError(
            f"{run.path}: {status}, not finished, so that the winning round is not known; "
            f"it {_pruned(rows)}: carry it on, or name a round by --round"
        )
    chosen = has_validation(rows)
    if within is None:
        if run.winning_round is None:
            raise ConfigError(f"{run.path}: it {_pruned(rows)}; rounds=1 or more makes a ticket")
        why = "the winning round" if chosen else "the last round, without validation data"
        return run.winning_round, why
    if not chosen:
        raise ConfigError(f"--within {within:g}: {run.path} has no validation data")
    sparsest = sparsest_within(rows, within, run.score)
    if sparsest is None:
        raise ConfigError(f"--within {within:g}: {run.path} has no pruned round that good")
    return sparsest, f"the sparsest within {within:g} {run.score.gain_unit} of dense"


def _pruned(rows: Sequence[Row]) -> str:
    numbers = [str(row["round"]) for row in rows if row["round"] >= 1]
    return f"has these pruned rounds: {', '.join(numbers)}" if numbers else "has no pruned round"


def take_out(run: OpenedRun, number: int, *, trust_code: bool) -> tuple[Ticket, bool]:
    """Write `ticket/` of a round; return it, and whether it was written now.

    A ticket that is there stays as it is.
    """
    folder = run.folder.ticket
    if folder.path.exists():
        ticket = open_ticket(run.path, parent=run, trust_code=trust_code)
        there = ticket.entry["round"]
        if there != number:
            raise ConfigError(
                f"{folder.path}: of round {there}, not {number}; rename or remove it to take out "
                f"another, or look at it as it is by --round {there}"
            )
        return ticket, False
    if run.masks_moved(number):
        raise ConfigError(
            f"{run.folder.round(number).path}: its masks have moved while it trained, and a "
            "ticket is start weights under one mask; `lottery.load_run(...).model(...)` is its "
            "network, and criterion=copy trains its last masks from the start"
        )
    settings = settings_of_run(run, trust_code=trust_code)
    check_run_folder(run.folder)
    tensors = read_parts(run, number)
    lacking = [name for name in ("start", "es", "final") if name not in tensors]
    if lacking:
        raise ConfigError(
            f"{run.folder.round(number).path}: the {lacking[0]} weights are gone; keep=winner "
            "keeps those of the winning round and of the last"
        )
    record = run.record(number)
    source = find_source(run, number, tensors["initial"], trust_code=trust_code)
    checks = check_tensors(tensors, record, source)
    if not all(check.passed for check in checks):
        failed = "; ".join(check.what for check in checks if not check.passed)
        raise WrongTicket(f"{run.folder.round(number).path}: {failed}", checks)
    with making_from(str(run.folder.run_json), trust_code=trust_code):
        tensors |= _base_weights(run.run_json, settings)
    try:
        facts = facts_of(run, record, trust_code=trust_code)
        write_ticket(folder, tensors, _describe(run, settings, record) | facts)
    except OSError:
        if not folder.path.exists():
            raise
        return take_out(run, number, trust_code=trust_code)  # another process was quicker
    return open_ticket(run.path, parent=run, trust_code=trust_code), True


def read_parts(run: OpenedRun, number: int) -> TicketTensors:
    """Return the parts of a round's ticket that the run has: keep=winner drops some weights."""
    files = run.folder.round(number)
    weights = {"start": files.start, "es": files.es, "final": files.final}
    there = {name: file for name, file in weights.items() if file.exists()}
    always = {"masks": files.masks, "initial": run.folder.round(0).start}
    return {name: load_of_run(run, file) for name, file in (there | always).items()}


def find_source(
    run: OpenedRun, number: int, initial: Tensors, *, trust_code: bool
) -> tuple[str, Tensors] | None:
    """Return a name and the weights that a round's start must equal where the mask keeps them.

    None: the start was drawn, or its source is not stored any more.
    """
    source = _source_of(run, trust_code=trust_code)
    if source == "rewind_point":
        step = _rewind_step(run)
        rewound = load_of_run(run, run.folder.round(0).rewind) if step else initial
        return f"step {step}" if step else "initial", rewound
    previous = max(done for done in run.finished_rounds if done < number)
    file = run.folder.round(previous).final
    if source == "last" and file.exists():
        return f"round {previous}'s end", load_of_run(run, file)
    return None


def _rewind_step(run: OpenedRun) -> int:
    if not parse_duration(run.run_json["config"]["reinit.to"]).steps(1):  # 0 steps or 0 epochs
        return 0
    return int(run.record(0)["checks"]["rewind_step"])


def _source_of(run: OpenedRun, *, trust_code: bool) -> Source | None:
    """Return the stored state that the starts of a run equal; None if they are drawn."""
    node = {"_target_": run.run_json["config"]["reinit._target_"]}
    check_trusted(node, str(run.folder.run_json), trust_code=trust_code)
    source: Source | None = getattr(load_target(node, "reinit"), "source", None)
    return source


def facts_of(run: OpenedRun, record: Mapping[str, Any], *, trust_code: bool) -> dict[str, Any]:
    """Return what ticket.json says of a round besides its record, and no later start changes."""
    entry, row = run.run_json, record["row"]
    rewound = _source_of(run, trust_code=trust_code) == "rewind_point"
    return {
        "input_shape": entry["input_shape"],
        "num_classes": entry["num_classes"],
        **{name: entry[name] for name in ("output_shape", "score") if name in entry},
        "num_tokens": entry.get("num_tokens"),  # older runs have none
        "precision": entry["config"]["trainer.precision"],
        "round": row["round"],
        "remaining": row["remaining"],
        "ES": row["ES"],
        "rewind_step": _rewind_step(run) if rewound else None,
    }


def _describe(run: OpenedRun, settings: Settings, record: Record) -> dict[str, Any]:
    """Return the content of ticket.json, without the digests."""
    entry, trainer = run.run_json, settings.trainer
    return {
        **_module(settings),
        "model": settings.config["model"],
        "row": record["row"],
        "layers": record["layers"],
        "run": {name: entry[name] for name in ("name", "key", "seed", "config")},
        "dataset": settings.config["dataset"],
        **_task(settings),
        "digests": entry["digests"],
        "device": entry["machine"]["device"],
        "threads": entry["machine"]["threads"],
        "deterministic": trainer.deterministic,
        # whether the run added numbers in another order than one plain process does
        "reordered": trainer.compile or trainer.devices * trainer.num_nodes > 1,
        "versions": entry["versions"],
        "git_commit": entry["git_commit"],
    }


def _module(settings: Settings) -> dict[str, Any]:
    """Return the LightningModule and, of a user's, what its test needs; nothing without one."""
    if settings.module is None:
        return {}
    if is_supervised(settings.config):
        return {"module": settings.module}
    loops: TicketLoops = {
        "datamodule": settings.config["datamodule"],
        "metrics": settings.config["metrics"],
        "lightning": dict(settings.trainer.lightning),
    }
    return {"module": settings.module, "loops": loops}


def _task(settings: Settings) -> dict[str, Any]:
    """Return the task without metrics of the user's, which a ticket does not measure."""
    names = [key for key in settings.canonical if key.startswith("task.")]
    if all(name.startswith("task.metrics") for name in names):
        return {}  # the default, which older runs have
    return {"task": {k: v for k, v in settings.config["task"].items() if k != "metrics"}}


def _base_weights(run_json: Mapping[str, Any], settings: Settings) -> TicketTensors:
    """Return the weights of the run's frozen base as a part, `base`; none if it has no base."""
    if settings.module is not None:
        return {}
    seed = derive_seed(settings.seed_for("init"), "base")
    base = find_base(settings.model, tuple(run_json["input_shape"]), seed)
    if base is None:
        return {}
    weights = base.load().state_dict()
    if base.digest() != run_json["digests"][base.name]:
        raise ConfigError(f"{base.name}: other weights than the run had")
    return {"base": dict(weights)}

"""Read and write run.json and the records of the rounds, `rounds/NN/round.json`."""

from pathlib import Path
from typing import Any, cast

from lottery.record.files import DamagedFile, damaged, json_digest, read_json, write_json
from lottery.record.run_dir import RoundDir, RunDir
from lottery.record.schema import COLUMNS, FORMAT, Record, RecordFile, RunFile, RunJson
from lottery.record.typed import Entries, parse

REPAIR_RUN_JSON = (
    "remove it, and the command that began the run writes it again "
    "(data and code are then taken for unchanged)"
)


def write_record(run_dir: RunDir, record: Record) -> None:
    """Store what one round measured, which makes the round finished."""
    if tuple(record["row"]) != COLUMNS:
        raise ValueError(f"a row has the columns {COLUMNS}, got {tuple(record['row'])}")
    entry = {"format": FORMAT, **record}
    path = run_dir.round(record["row"]["round"]).record
    write_json(path, {**entry, "digest": json_digest(entry)})


def read_record(round_dir: RoundDir) -> Record:
    """Return the record of a finished round; those of version 0.1 may have no digest."""
    path, number = round_dir.record, int(round_dir.path.name)
    repair = f"remove it to do round {number} again"
    entry = _read(path, RecordFile, repair)
    written, there = entry.pop("digest", None), entry["row"]["round"]
    if there != number:
        raise damaged(path, f"it is the record of round {there}", repair)
    if written is None and entry.get("format", 1) > 1:
        raise damaged(path, "digest is missing", repair)
    if written not in (None, json_digest(entry)):
        raise damaged(path, "its digest is another", repair)
    entry.pop("format", None)
    entry["checks"] = Entries(entry["checks"], path, "checks", repair)
    return cast(Record, entry)


def read_records(run_dir: RunDir) -> list[Record]:
    """Return the records of all finished rounds, by round."""
    return [read_record(run_dir.round(number)) for number in run_dir.finished_rounds()]


def write_run_json(run_dir: RunDir, entry: RunJson) -> None:
    """Replace run.json."""
    write_json(run_dir.run_json, {"format": FORMAT, **entry})


def read_run_json(run_dir: RunDir) -> RunJson:
    """Return the content of run.json."""
    path = run_dir.run_json
    entry = _read(path, RunFile, REPAIR_RUN_JSON)
    entry.pop("format", None)
    for name in ("config", "machine"):
        entry[name] = Entries(entry[name], path, name, REPAIR_RUN_JSON)
    return cast(RunJson, entry)


def _read(path: Path, kind: type, repair: str) -> dict[str, Any]:
    """Return the content of a file of this version or an earlier one, which is of a type."""
    entry = read_json(path, repair)
    number = entry.get("format") if isinstance(entry, dict) else None
    if isinstance(number, int) and number > FORMAT:
        raise DamagedFile(
            f"{path}: format {number}, at most {FORMAT} expected; "
            "it is of a later version of lottery"
        )
    return cast(dict[str, Any], parse(entry, kind, path, repair))

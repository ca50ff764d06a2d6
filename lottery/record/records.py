"""Read and write run.json and the records of the rounds, `rounds/NN/round.json`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from lottery.record.files import DamagedFile, json_digest, read_json, write_json
from lottery.record.run_dir import RoundDir, RunDir
from lottery.record.schema import COLUMNS, FORMAT, Record, RunJson

# What readers rely on, with its type in JSON
IN_RECORD = {"row": dict, "layers": dict, "checks": dict, "history": list, "timing": dict}
IN_RUN_JSON = {"config": dict, "digests": dict, "machine": dict, "status": str, "seed": int}


def write_record(run_dir: RunDir, record: Record) -> None:
    """Store what one round measured, which makes the round finished."""
    if tuple(record["row"]) != COLUMNS:
        raise ValueError(f"a row has the columns {COLUMNS}, got {tuple(record['row'])}")
    entry = {"format": FORMAT, **record}
    path = run_dir.round(record["row"]["round"]).record
    write_json(path, {**entry, "digest": json_digest(entry)})


def read_record(round_dir: RoundDir) -> Record:
    """Return the record of a finished round; those of the first release have no digest."""
    entry = _read_entries(round_dir.record)
    written = entry.pop("digest", None)
    changed = written is not None and written != json_digest(entry)
    if changed or not _has(entry, IN_RECORD):
        number = int(round_dir.path.name)
        raise DamagedFile(f"{round_dir.record}: damaged; remove it to do round {number} again")
    _check_format(round_dir.record, entry.pop("format", 1))
    return cast(Record, entry)


def read_records(run_dir: RunDir) -> list[Record]:
    """Return the records of all finished rounds, by round."""
    return [read_record(run_dir.round(number)) for number in run_dir.finished_rounds()]


def write_run_json(run_dir: RunDir, entry: RunJson) -> None:
    """Replace run.json."""
    write_json(run_dir.run_json, {"format": FORMAT, **entry})


def read_run_json(run_dir: RunDir) -> RunJson:
    """Return the content of run.json."""
    entry = _read_entries(run_dir.run_json)
    if not _has(entry, IN_RUN_JSON):
        raise DamagedFile(
            f"{run_dir.run_json}: damaged; remove it, and the command that began the run writes "
            "it again (data and code are then taken for unchanged)"
        )
    _check_format(run_dir.run_json, entry.pop("format", 1))
    return cast(RunJson, entry)


def _read_entries(path: Path) -> dict[str, Any]:
    """Return the entries of a JSON file; none where it holds something else."""
    try:
        entries = read_json(path)
    except ValueError:
        return {}
    return entries if isinstance(entries, dict) else {}


def _has(entry: Mapping[str, Any], kinds: Mapping[str, type]) -> bool:
    return all(isinstance(entry.get(name), kind) for name, kind in kinds.items())


def _check_format(path: Path, number: object) -> None:
    if not isinstance(number, int) or number > FORMAT:
        raise DamagedFile(
            f"{path}: format {number}, at most {FORMAT} expected; "
            "it is of a later version of lottery"
        )

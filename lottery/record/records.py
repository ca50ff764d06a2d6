"""Read and write run.json and the records of the rounds, `rounds/NN/round.json`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, cast

from lottery.record.files import DamagedFile, damaged, json_digest, read_json, write_json
from lottery.record.links import make_links
from lottery.record.run_dir import RoundDir, RunDir
from lottery.record.schema import FORMAT, Links, Record, RunJson
from lottery.record.typed import Entries, parse, read_typed


class RecordFile(Record):
    """round.json as it stands on disk."""

    format: NotRequired[int]
    digest: NotRequired[str]


class RunFile(RunJson):
    """run.json as it stands on disk."""

    format: NotRequired[int]


REPAIR_RUN_JSON = (
    "remove it, and the command that began the run writes it again "
    "(data and code are then taken for unchanged)"
)


def write_record(run_dir: RunDir, record: Record, files: Mapping[str, str] | None = None) -> None:
    """Store what one round measured, which makes the round finished.

    Args:
        run_dir: the run.
        record: what was measured.
        files: digests of the round's tensors, by file name.
    """
    folder = run_dir.round(record["row"]["round"])
    entry = {"format": FORMAT, **record, "links": _links(run_dir, record, files or {})}
    write_json(folder.record, {**entry, "digest": json_digest(entry)})
    folder.links_json.unlink(missing_ok=True)


def write_links(run_dir: RunDir, record: Record, files: Mapping[str, str]) -> None:
    """Link a round of an older version, whose record stays as it is."""
    path = run_dir.round(record["row"]["round"]).links_json
    write_json(path, _links(run_dir, record, files))


def _links(run_dir: RunDir, record: Record, files: Mapping[str, str]) -> Links:
    earlier = [n for n in run_dir.finished_rounds() if n < record["row"]["round"]]
    return make_links(
        read_run_json(run_dir) if run_dir.run_json.exists() else None,
        before=read_record(run_dir.round(earlier[-1])) if earlier else None,
        files=files,
    )


def read_record(folder: RoundDir) -> Record:
    """Return the record of a finished round; those of version 0.1 may have no digest."""
    path, number = folder.record, int(folder.path.name)
    repair = f"remove it to do round {number} again"
    entry = _read(path, RecordFile, repair)
    written, there = entry.pop("digest", None), entry["row"]["round"]
    version = entry.get("format", 1)
    if there != number:
        raise damaged(path, f"it is the record of round {there}", repair)
    if written is None and version >= 2:
        raise damaged(path, "digest is missing", repair)
    if "links" not in entry and version >= 3:
        raise damaged(path, "links is missing", repair)
    if written not in (None, json_digest(entry)):
        raise damaged(path, "its digest is another", repair)
    entry.pop("format", None)
    entry["checks"] = Entries(entry["checks"], path, "checks", repair)
    if "links" not in entry and folder.links_json.exists():
        links = folder.links_json
        entry["links"] = read_typed(links, Links, f"remove {folder.path} to do that round again")
    return cast(Record, entry)


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

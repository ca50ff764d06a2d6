"""What W&B has written offline: its files read back without its program."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE_HEADER, BLOCK, RECORD_HEADER = 7, 32768, 7  # bytes of LevelDB's log format
WHOLE, LAST = 1, 4  # types of a record's part; those between are its first and further ones


@dataclass
class OfflineRun:
    """One run."""

    id: str = ""
    group: str = ""
    name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[list[str]] = field(default_factory=list)  # names of files
    exit_codes: list[int] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        """Return the values of a metric, in the order in which they were logged."""
        return [row[name] for row in self.history if name in row]


def read_offline_runs(folder: Path) -> list[OfflineRun]:
    """Return the runs below a folder, by id."""
    runs = [_read(path) for path in folder.rglob("offline-run-*/*.wandb")]
    return sorted(runs, key=lambda run: (run.group, run.id))


def _read(path: Path) -> OfflineRun:
    from wandb.proto.wandb_internal_pb2 import Record

    run = OfflineRun()
    for content in _records(path.read_bytes()):
        record = Record()
        record.ParseFromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.id, run.group = record.run.run_id, record.run.run_group
            run.name = record.run.display_name
        elif kind == "history":
            items = record.history.item
            run.history.append({_name(item): json.loads(item.value_json) for item in items})
        elif kind == "config":
            for item in record.config.update:
                run.config[_name(item)] = json.loads(item.value_json)
        elif kind == "artifact":
            run.artifacts.append([entry.path for entry in record.artifact.manifest.contents])
        elif kind == "exit":
            run.exit_codes.append(record.exit.exit_code)
    return run


def _name(item: Any) -> str:
    return str(item.key or ".".join(item.nested_key))


def _records(data: bytes) -> Iterator[bytes]:
    position, whole = FILE_HEADER, b""
    while position + RECORD_HEADER <= len(data):
        left_in_block = BLOCK - position % BLOCK
        if left_in_block < RECORD_HEADER:
            position += left_in_block
            continue
        size = int.from_bytes(data[position + 4 : position + 6], "little")
        part = data[position + 6]
        position += RECORD_HEADER
        whole += data[position : position + size]
        position += size
        if part in (WHOLE, LAST):
            yield whole
            whole = b""

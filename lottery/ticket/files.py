"""The folder of a ticket: written whole, and read with the digest of every file checked."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from lottery.record.files import DamagedFile, creating_folder, json_digest, read_json, write_json
from lottery.record.run_dir import TicketDir
from lottery.record.schema import TicketJson
from lottery.tensors import Tensors, load_tensors, save_tensors

FORMAT = 1
WEIGHTS = ("es", "final", "start", "initial")
PARTS = (*WEIGHTS, "masks")  # and the base of a network that has one

TicketTensors = dict[str, Tensors]


def write_ticket(ticket: TicketDir, tensors: TicketTensors, entry: Mapping[str, Any]) -> None:
    """Write a ticket's new folder, whole or not at all; the digests are added to `entry`."""
    with creating_folder(ticket.path) as aside:
        written = TicketDir(aside)
        files = {}
        for name, part in tensors.items():
            path = written.tensors(name)
            save_tensors(path, part)
            files[path.name] = _sha256(path)
        whole = {"format": FORMAT, **entry, "files": files}
        write_json(written.ticket_json, {**whole, "digest": json_digest(whole)})


def read_ticket(ticket: TicketDir) -> TicketJson:
    """Return the content of ticket.json; compare every file with its sha256."""
    entry = _read_ticket_json(ticket)
    for name, written in entry["files"].items():
        path = ticket.path / name
        if not path.is_file():
            raise DamagedFile(f"{path}: missing; {_again(ticket)}")
        if _sha256(path) != written:
            raise DamagedFile(f"{path}: damaged, its sha256 is another; {_again(ticket)}")
    return entry


def load_part(ticket: TicketDir, name: str) -> Tensors:
    """Return the content of a tensor file: initial, start, es, final, masks or base."""
    try:
        return load_tensors(ticket.tensors(name))
    except DamagedFile as error:
        raise DamagedFile(f"{ticket.tensors(name)}: damaged; {_again(ticket)}") from error


def _read_ticket_json(ticket: TicketDir) -> TicketJson:
    if ticket.path.is_dir() and not ticket.ticket_json.is_file():
        raise DamagedFile(f"{ticket.ticket_json}: missing; {_again(ticket)}")
    try:
        entry = read_json(ticket.ticket_json, _again(ticket))
        digest = entry.pop("digest")
    except (KeyError, AttributeError, TypeError) as error:  # other JSON
        raise DamagedFile(f"{ticket.ticket_json}: damaged; {_again(ticket)}") from error
    if digest != json_digest(entry):
        raise DamagedFile(f"{ticket.ticket_json}: damaged; {_again(ticket)}")
    if entry.get("format") != FORMAT:
        raise DamagedFile(
            f"{ticket.ticket_json}: format {entry.get('format')}, {FORMAT} expected; "
            "another version of lottery wrote it"
        )
    if not all(isinstance(entry.get(name), dict) for name in ("files", "row", "layers", "run")):
        raise DamagedFile(f"{ticket.ticket_json}: damaged; {_again(ticket)}")
    lacking = {f"{name}.safetensors" for name in PARTS} - entry["files"].keys()
    if lacking:
        raise DamagedFile(f"{ticket.ticket_json}: lists no {min(lacking)}; {_again(ticket)}")
    return cast(TicketJson, entry)


def _again(ticket: TicketDir) -> str:
    return f"remove {ticket.path} and take the ticket out of its run again"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

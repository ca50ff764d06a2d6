"""The folder of a ticket: written whole, and read with the digest of every file checked."""

import hashlib
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

from lottery.config.trust import printable
from lottery.record.files import (
    DamagedFile,
    creating_folder,
    damaged,
    json_digest,
    open_regular,
    read_json,
    write_json,
)
from lottery.record.run_dir import TicketDir
from lottery.record.schema import TicketFile, TicketJson
from lottery.record.typed import parse
from lottery.tensors import Tensors, load_tensors, save_tensors

FORMAT = 1
WEIGHTS = ("es", "final", "start", "initial")
MOST_THREADS = 1024  # more end the process
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
        if not path.exists():
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
    path, repair = ticket.ticket_json, _again(ticket)
    if ticket.path.is_dir() and not path.exists():
        raise DamagedFile(f"{path}: missing; {repair}")
    entry = read_json(path, repair)
    number = entry.get("format") if isinstance(entry, dict) else None
    if isinstance(number, int) and number != FORMAT:
        raise DamagedFile(
            f"{path}: format {number}, {FORMAT} expected; another version of lottery wrote it"
        )
    parse(entry, TicketFile, path, repair)
    if entry.pop("digest") != json_digest(entry):
        raise damaged(path, "its digest is another", repair)
    expected = {f"{name}.safetensors" for name in PARTS}
    if not expected <= entry["files"].keys() <= {*expected, "base.safetensors"}:
        differing = sorted(expected ^ entry["files"].keys())
        raise damaged(path, f"files lacks or adds {printable(differing[0])}", repair)
    if not 1 <= entry["threads"] <= MOST_THREADS:
        raise damaged(path, f"threads is {entry['threads']}", repair)
    return cast(TicketJson, entry)


def _again(ticket: TicketDir) -> str:
    return f"remove {ticket.path} and take the ticket out of its run again"


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()

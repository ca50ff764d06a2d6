"""What is done to a run with rounds 0, 1 and 2: files exchanged, changed or replaced."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from lottery.record.files import json_digest
from lottery.tensors import digest, load_tensors

Change = Callable[[Path, Path], None]  # of the run, with files of another seed's run


def swap(one: str, two: str) -> Change:
    def change(run: Path, other: Path) -> None:
        first, second = run / "rounds" / one, run / "rounds" / two
        first.rename(run / "aside")
        second.rename(first)
        (run / "aside").rename(second)

    return change


def copy(source: str, target: str, *, foreign: bool = False) -> Change:
    def change(run: Path, other: Path) -> None:
        there, here = (other if foreign else run) / "rounds" / source, run / "rounds" / target
        if there.is_dir():
            shutil.rmtree(here)
            shutil.copytree(there, here)
        else:
            shutil.copyfile(there, here)

    return change


def edit_tensor(file: str, *, renew_digest: bool) -> Change:
    """Change one value, and leave the digest out or compute it again."""

    def change(run: Path, other: Path) -> None:
        path = run / "rounds" / file
        tensors = load_tensors(path)
        first = tensors["fc1.weight"].view(-1)
        first[0] = ~first[0] if first.dtype == torch.bool else first[0] + 1
        _write(path, tensors, stated=renew_digest)

    return change


def edit_record(number: int, *names: str, value: Any, renew_digest: bool = False) -> Change:
    """Change an entry of a round's record, and leave the digest out or compute it again."""

    def change(run: Path, other: Path) -> None:
        path = run / f"rounds/0{number}/round.json"
        entry = json.loads(path.read_text())
        del entry["digest"]
        inner = entry
        for name in names[:-1]:
            inner = inner[name]
        inner[names[-1]] = value
        if renew_digest:
            entry["digest"] = json_digest(entry)
        path.write_text(json.dumps(entry))

    return change


def as_version_0_1(run: Path, other: Path) -> None:
    """Take away all that version 0.1 did not write, and change a number."""
    path = run / "rounds/02/round.json"
    entry = json.loads(path.read_text())
    del entry["digest"], entry["links"], entry["format"]
    entry["row"]["val"] = 0.99
    path.write_text(json.dumps(entry))


def tensors_of(file: str, make: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    def change(run: Path, other: Path) -> None:
        path = run / "rounds" / file
        _write(path, make(load_tensors(path)), stated=True)

    return change


def text(file: str, content: bytes) -> Change:
    return lambda run, other: (run / "rounds" / file).write_bytes(content) and None


def instead(file: str, make: Callable[[Path], None]) -> Change:
    def change(run: Path, other: Path) -> None:
        (run / "rounds" / file).unlink()
        make(run / "rounds" / file)

    return change


def remove(file: str) -> Change:
    return instead(file, lambda path: None)


def _write(path: Path, tensors: dict[str, Any], *, stated: bool) -> None:
    save_file(tensors, path, metadata={"digest": digest(tensors)} if stated else None)


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def nan(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: torch.full(mask.shape, float("nan")) for name, mask in tensors.items()}


def flat(tensors: dict[str, Any]) -> dict[str, Any]:
    return tensors | {"fc1.weight": tensors["fc1.weight"].reshape(-1)}


MASKS, FINAL, START = "masks.safetensors", "final.safetensors", "start.safetensors"
RECORD = "round.json"
LARGE_HEADER = (99 << 20).to_bytes(8, "little") + b" " * (99 << 20)
OTHER = "it is not the file that the round's record names"

# By what is done: the file that the first line names, and what it says of it
CASES: dict[str, tuple[Change, str, str]] = {
    "masks swapped": (swap(f"01/{MASKS}", f"02/{MASKS}"), f"02/{MASKS}", OTHER),
    "masks copied": (copy(f"01/{MASKS}", f"02/{MASKS}"), f"02/{MASKS}", OTHER),
    "masks of a seed": (copy(f"02/{MASKS}", f"02/{MASKS}", foreign=True), f"02/{MASKS}", OTHER),
    "final copied": (copy(f"01/{FINAL}", f"02/{FINAL}"), f"02/{FINAL}", OTHER),
    "final of a seed": (copy(f"02/{FINAL}", f"02/{FINAL}", foreign=True), f"02/{FINAL}", OTHER),
    "es of round 1 over final": (
        copy("01/es.safetensors", f"02/{FINAL}"),
        f"02/{FINAL}",
        OTHER,
    ),
    "W_0 of a seed": (copy(f"00/{START}", f"00/{START}", foreign=True), f"00/{START}", OTHER),
    "final over W_0": (copy(f"00/{FINAL}", f"00/{START}"), f"00/{START}", OTHER),
    "folders": (swap("01", "02"), f"01/{RECORD}", "it is the record of round 2"),
    "records": (
        swap(f"01/{RECORD}", f"02/{RECORD}"),
        f"01/{RECORD}",
        "it is the record of round 2",
    ),
    "a folder of a seed": (
        copy("02", "02", foreign=True),
        f"02/{RECORD}",
        "it is of another run than",
    ),
    "a weight": (edit_tensor(f"02/{FINAL}", renew_digest=False), f"02/{FINAL}", OTHER),
    "a weight, digested": (edit_tensor(f"02/{FINAL}", renew_digest=True), f"02/{FINAL}", OTHER),
    "a mask": (edit_tensor(f"02/{MASKS}", renew_digest=False), f"02/{MASKS}", OTHER),
    "a mask, digested": (edit_tensor(f"02/{MASKS}", renew_digest=True), f"02/{MASKS}", OTHER),
    "val": (edit_record(1, "row", "val", value=0.99), f"01/{RECORD}", "digest is missing"),
    "val, digested": (
        edit_record(1, "row", "val", value=0.99, renew_digest=True),
        f"01/{RECORD}",
        "not the record that",
    ),
    "a link, digested": (
        edit_record(1, "links", "files", "masks.safetensors", value="ab", renew_digest=True),
        f"01/{RECORD}",
        "not the record that",
    ),
    "val, as version 0.1": (as_version_0_1, f"02/{RECORD}", "links is missing, which other"),
    "no optimizer": (
        remove("00/rewind_optimizer.safetensors"),
        "00/rewind_optimizer.safetensors",
        "missing; remove",
    ),
    "no final": (remove(f"02/{FINAL}"), f"02/{FINAL}", "missing; remove"),
    "a row": (edit_record(1, "row", value=[]), f"01/{RECORD}", "row is a list, an object exp"),
    "layers": (edit_record(1, "layers", value=None), f"01/{RECORD}", "layers is null, an obj"),
    "a text": (edit_record(1, "row", "val", value="x"), f"01/{RECORD}", "row.val is 'x', a num"),
    "no val": (edit_record(1, "row", value={"round": 1}), f"01/{RECORD}", "row.ES is missing"),
    "NaN": (
        edit_record(1, "row", "val", value=float("nan"), renew_digest=False),
        f"01/{RECORD}",
        "NaN is no finite number",
    ),
    "nested": (text(f"01/{RECORD}", b"[" * 100_000), f"01/{RECORD}", "nested more than 64 deep"),
    "a record's folder": (instead(f"01/{RECORD}", Path.mkdir), f"01/{RECORD}", "it is a folder"),
    "a record's fifo": (instead(f"01/{RECORD}", os.mkfifo), f"01/{RECORD}", "it is a fifo"),
    "NaN masks": (tensors_of(f"02/{MASKS}", nan), f"02/{MASKS}", OTHER),
    "a layer": (tensors_of(f"02/{MASKS}", without("fc1.weight")), f"02/{MASKS}", OTHER),
    "a shape": (tensors_of(f"02/{MASKS}", flat), f"02/{MASKS}", OTHER),
    "a header": (text(f"02/{MASKS}", LARGE_HEADER), f"02/{MASKS}", "a header of 103,809,024"),
    "a folder": (instead(f"02/{MASKS}", Path.mkdir), f"02/{MASKS}", "it is a folder"),
    "a fifo": (instead(f"02/{FINAL}", os.mkfifo), f"02/{FINAL}", "it is a fifo"),
    "a link": (
        instead(f"02/{FINAL}", lambda path: path.symlink_to("es.safetensors")),
        f"02/{FINAL}",
        "it is a link",
    ),
    "a bias": (tensors_of(f"02/{FINAL}", without("fc1.bias")), f"02/{FINAL}", OTHER),
    "a weight's shape": (tensors_of(f"02/{FINAL}", flat), f"02/{FINAL}", OTHER),
}

"""The head of a safetensors file: whether it can be read without harm. It needs no torch."""

import os
from pathlib import Path

from lottery.record.files import DamagedFile, open_regular

MOST_HEADER_BYTES = 1 << 24  # some hundred for each tensor


class MissingTensors(DamagedFile, FileNotFoundError):
    """A tensor file is not there; `filename` names it."""

    def __str__(self) -> str:
        return str(self.args[0])


def check_header(path: Path) -> None:
    """Check that a file is a regular one, and that its header can be read without harm."""
    try:
        with open_regular(path, _repair(path)) as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(MOST_HEADER_BYTES, os.fstat(file.fileno()).st_size - 8):
                raise damaged_tensors(path, f"a header of {length:,} bytes")
    except FileNotFoundError as error:
        missing = MissingTensors(f"{path}: missing; {_repair(path)}")
        missing.filename = str(path)
        raise missing from error


def damaged_tensors(path: Path, fault: str) -> DamagedFile:
    """Return the error of a damaged file of a round's tensors."""
    return DamagedFile(f"{path}: damaged: {fault}; {_repair(path)}")


def _repair(path: Path) -> str:
    return f"remove {path.parent} to do that round again"

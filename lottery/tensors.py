"""Named tensors: their files (safetensors, whole or absent) and their digest."""

import errno
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lottery.record.files import DamagedFile, replacing

Tensors = dict[str, Tensor]


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors and their digest to a safetensors file, whole or not at all."""
    dense = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with replacing(path) as aside:
        try:
            save_file(dense, aside, metadata={"digest": digest(dense)})
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def load_tensors(path: Path, *, check: bool = True) -> Tensors:
    """Read a safetensors file into CPU memory; `check` compares it with the digest in it."""
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    try:
        with safe_open(path, framework="pt") as file:
            written = (file.metadata() or {}).get("digest")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise _damaged(path) from error
    if check and written is not None and written != digest(tensors):
        raise _damaged(path)
    return tensors


def _damaged(path: Path) -> DamagedFile:
    return DamagedFile(f"{path}: damaged; remove {path.parent} to do that round again")


def copy_to_cpu(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return copies in CPU memory that share nothing with the originals, even on the CPU.

    `tensor.to("cpu")` returns a CPU tensor itself. Several public systems trained their stored
    initial weights that way.
    """
    return {name: torch.clone(tensor.detach()).cpu() for name, tensor in tensors.items()}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of names, dtypes, shapes and bytes: equal digests mean equal bits.

    Example:
        >>> digest({"w": torch.zeros(2)}) == digest({"w": torch.zeros(3)})
        False
    """
    result = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        result.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # As bytes, because numpy has no bfloat16.
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        result.update(plain.view(torch.uint8).numpy().data)
    return result.hexdigest()

"""Named tensors: their files (safetensors, whole or not there) and their digest."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lottery.run_dir import replacing

Tensors = dict[str, Tensor]


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors to a safetensors file, whole or not at all."""
    with replacing(path) as aside:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, aside)


def load_tensors(path: Path) -> Tensors:
    """Read a safetensors file into CPU memory."""
    return load_file(path)


def copy_to_cpu(tensors: Mapping[str, Tensor]) -> Tensors:
    """Copies in CPU memory that share nothing with the originals, even on the CPU.

    `tensor.to("cpu")` would return a CPU tensor itself: the stored initial weights of more than
    one public system were trained that way.
    """
    return {name: torch.clone(tensor.detach()).cpu() for name, tensor in tensors.items()}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, dtypes, shapes and bytes: equal digests, equal bits.

    Example:
        >>> digest({"w": torch.zeros(2)}) == digest({"w": torch.zeros(3)})
        False
    """
    result = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        result.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # bytes, because numpy knows no bfloat16
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        result.update(plain.view(torch.uint8).numpy().data)
    return result.hexdigest()

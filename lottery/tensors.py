"""Named tensors: their files (safetensors, whole or absent) and their digest."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lottery.record.files import replacing
from lottery.record.opened_run import OpenedRun
from lottery.record.tensor_header import check_header, damaged_tensors

Tensors = dict[str, Tensor]


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write named tensors with their digest, whole or not at all; return the digest."""
    dense = {name: tensor.contiguous() for name, tensor in tensors.items()}
    written = digest(dense)
    with replacing(path) as aside:
        aside.write_bytes(save(dense, metadata={"digest": written}))
    return written


def load_tensors(
    path: Path, expected: str | None = None, *, check: bool = True, needs_digest: bool = True
) -> Tensors:
    """Read a safetensors file into CPU memory.

    Args:
        path: the file.
        expected: the digest that its tensors must have; None for the one in the file.
        check: whether to look at the digests at all.
        needs_digest: whether the file must state its digest; those of version 0.1 may not.

    Raises:
        DamagedFile: it is not what was written.
        MissingTensors: there is no such file.
    """
    check_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            stated = (file.metadata() or {}).get("digest")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise damaged_tensors(path, str(error)) from error
    if not check:
        return tensors
    if stated is None and expected is None and needs_digest:
        raise damaged_tensors(path, "it states no digest")
    there = digest(tensors)
    if stated not in (None, there):
        raise damaged_tensors(path, "its digest is another")
    if expected not in (None, there):
        raise damaged_tensors(path, "it is not the file that the round's record names")
    return tensors


def load_of_run(run: OpenedRun, path: Path) -> Tensors:
    """Read a tensor file of a round of a run, by the digest that the round's record states."""
    return load_tensors(path, run.digest_of(path), needs_digest=False)


def copy_to_cpu(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return copies in CPU memory that share nothing with the originals, even on the CPU.

    `tensor.to("cpu")` returns a CPU tensor itself. Several public systems trained their stored
    initial weights that way.
    """
    return {name: torch.clone(tensor.detach()).cpu() for name, tensor in tensors.items()}


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device; the host does not wait for a copy to a GPU."""
    if device.type == "cuda" and not tensor.is_cuda:
        tensor = tensor.contiguous().pin_memory()
    return tensor.to(device, non_blocking=True)


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

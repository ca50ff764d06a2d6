"""One copy of a run's data for all its processes on a machine."""

import logging
import mmap
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lottery.errors import LotteryError
from lottery.record.files import json_digest

if TYPE_CHECKING:
    from torch import Tensor

    from lottery.config.experiment import Experiment
    from lottery.data import Splits

log = logging.getLogger(__name__)

ALIGNED = 64  # bytes, as PyTorch's own memory


class OtherData(LotteryError):
    """The processes of a run have loaded different data."""


@dataclass(frozen=True)
class DataMemory:
    """Memory that a process has and others map; it has no file, and ends with the last of them."""

    process: int
    descriptor: int
    name: str
    holds: str  # digest of all that the run rests on

    @property
    def path(self) -> str:
        """Where other processes open it."""
        return f"/proc/{self.process}/fd/{self.descriptor}"


@contextmanager
def offered_data(experiment: "Experiment") -> Iterator[DataMemory]:
    """Hold the data where other processes can map them, for a while; it is its own copy, too."""
    tensors = _own_tensors(experiment.splits)
    with _filled(tensors, _digest(experiment)) as memory:
        _map(tensors, memory)
        yield memory


def share_data(experiment: "Experiment", offered: DataMemory | None) -> None:
    """Give up this process's copy of the data for one that all processes of the machine map.

    It is what their starter has `offered`. Of processes that have none, the first one on each
    machine holds it: then all ranks must call this. Pages that a process writes to become its own.
    Inputs that are mapped from a file are shared already.
    """
    from lottery.distributed import differing_ranks, gather, num_ranks, rank

    if ranks := differing_ranks(lambda: offered.holds if offered else _digest(experiment)):
        raise OtherData(f"rank {ranks} has loaded other data than rank 0")
    tensors = _own_tensors(experiment.splits)
    if offered:
        if offered.holds != _digest(experiment):
            raise OtherData("the data have changed while the run's processes started")
        _map(tensors, offered)
    elif num_ranks() > 1:
        hosts = gather(socket.gethostname())
        holder = hosts.index(hosts[rank()])  # the first rank on this machine
        with _filled(tensors if rank() == holder else [], "") as memory:
            _map(tensors, gather(memory)[holder])
            gather(None)  # nobody closes the memory before all have mapped it


def _digest(experiment: "Experiment") -> str:
    return json_digest(dict(experiment.digests))


def _own_tensors(splits: "Splits | None") -> "list[Tensor]":
    """Return the tensors of splits that are mapped from no file, in a fixed order."""
    if splits is None:
        return []
    found = {
        id(tensor): tensor
        for split in splits.by_name().values()
        if split.rows is None
        for tensor in (split.inputs, split.targets)
        if tensor.is_contiguous() and tensor.numel()
    }
    return list(found.values())


@contextmanager
def _filled(tensors: "Sequence[Tensor]", holds: str) -> Iterator[DataMemory]:
    """Yield memory with the bytes of tensors, which others can map as long as it is open."""
    import torch

    name = f"lottery-{secrets.token_hex(8)}"
    descriptor = os.memfd_create(name)
    try:
        for place, tensor in zip(_places(tensors), tensors, strict=True):
            os.lseek(descriptor, place, os.SEEK_SET)
            with open(descriptor, "wb", buffering=0, closefd=False) as file:
                left = memoryview(tensor.reshape(-1).view(torch.uint8).numpy().data)
                while left:  # one write takes 2 GB at most
                    left = left[file.write(left) :]
        yield DataMemory(os.getpid(), descriptor, name, holds)
    finally:
        os.close(descriptor)


def _map(tensors: "Sequence[Tensor]", memory: DataMemory) -> None:
    """Put tensors over memory that holds their bytes already, in place, for all who have them."""
    import torch

    if not tensors:
        return
    try:
        # in another container the number can be that of another process
        if memory.name not in str(Path(memory.path).readlink()):
            raise OSError(f"no {memory.name}")
        descriptor = os.open(memory.path, os.O_RDONLY)
    except OSError as error:
        log.info("each process holds a copy of the data: %s: %s", memory.path, error)
        return
    try:
        mapped = mmap.mmap(descriptor, 0, flags=mmap.MAP_PRIVATE)
    finally:
        os.close(descriptor)
    for place, tensor in zip(_places(tensors), tensors, strict=True):
        flat = torch.frombuffer(mapped, dtype=tensor.dtype, count=tensor.numel(), offset=place)
        tensor.data = flat.reshape(tensor.shape)


def _places(tensors: "Sequence[Tensor]") -> Iterator[int]:
    """Yield the place of each tensor in the memory."""
    place = 0
    for tensor in tensors:
        yield place
        place += -(-tensor.nbytes // ALIGNED) * ALIGNED

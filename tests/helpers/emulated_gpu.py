"""The emulated GPUs in `torch.cuda` of this process: imported by the server of `gpus.py` alone."""

# ruff: noqa: E402  # PyTorch asks once, when it is imported, what devices there are
import ctypes
import os

ctypes.CDLL(os.environ["LOTTERY_TESTS_EMULATED_GPU"], mode=ctypes.RTLD_GLOBAL)

from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist

from tests.helpers.gpus import NUM_EMULATED
from tests.helpers.recorded import Recorder


class Collectives(dist.ProcessGroup):
    """What `cpu:gloo,cuda:nccl` does, over gloo alone."""

    def __init__(self, store: dist.Store, rank: int, size: int, timeout: timedelta) -> None:
        super().__init__(rank, size)
        self.store = store
        self.gloo = dist.ProcessGroupGloo(store, rank, size, timeout)

    def getBackendName(self) -> str:  # noqa: N802  # torch's name
        return "emulated"

    def allreduce(self, tensors: Any, options: Any = None) -> Any:
        return self.gloo.allreduce(_on_cpu(tensors), options or dist.AllreduceOptions())

    def allreduce_coalesced(self, tensors: Any, options: Any = None) -> Any:
        return self.gloo.allreduce_coalesced(_on_cpu(tensors), options)

    def broadcast(self, tensors: Any, options: Any = None) -> Any:
        return self.gloo.broadcast(_on_cpu(tensors), options)

    def allgather(self, outputs: Any, tensors: Any, options: Any = None) -> Any:
        return self.gloo.allgather([_on_cpu(o) for o in outputs], _on_cpu(tensors), options)

    def shutdown(self) -> None:
        """Wait for the other ranks, as NCCL's clean-up may."""
        self.store.set(f"left/{self.rank()}", "")
        self.store.wait([f"left/{rank}" for rank in range(self.size())], timedelta(seconds=60))

    def barrier(self, opts: Any = None) -> Any:
        return self.gloo.barrier(dist.BarrierOptions())


def _on_cpu(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    if len({tensor.device for tensor in tensors}) > 1:
        raise RuntimeError("NCCL takes tensors of one GPU, gloo those of the CPU")
    return [torch.ops.emulated_gpu.on_cpu(tensor) for tensor in tensors]


class _Stream(torch.Stream):
    """A stream on which everything is done at once."""

    def __new__(cls) -> "_Stream":
        return super().__new__(cls, device="cuda")

    def wait_stream(self, other: torch.Stream) -> None:
        """Wait for nothing."""


def install() -> None:
    """Make the emulated GPUs those of `torch.cuda` in this process."""
    ops, cuda = torch.ops.emulated_gpu, torch.cuda

    def index(device: Any) -> int:
        if isinstance(device, int):
            return device
        given = None if device is None else torch.device(device).index
        return ops.exchange_device(-1) if given is None else given

    def seed(number: int) -> None:
        ops.seed(number)

    name = "emulated GPU"
    stream = _Stream()
    replaced: dict[str, Any] = {
        "_lazy_init": lambda: None,
        "_exchange_device": ops.exchange_device,
        "_maybe_exchange_device": ops.exchange_device,
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: NUM_EMULATED,
        "current_device": lambda: ops.exchange_device(-1),
        "set_device": lambda device: ops.exchange_device(index(device)) and None,
        "get_device_name": lambda device=None: name,
        "get_device_capability": lambda device=None: (8, 0),
        "get_arch_list": lambda: ["sm_80"],
        "get_device_properties": lambda device=None: SimpleNamespace(name=name, major=8, minor=0),
        "is_bf16_supported": lambda including_emulation=True: True,
        "is_current_stream_capturing": lambda: False,
        "synchronize": lambda device=None: None,
        "empty_cache": lambda: None,
        "mem_get_info": lambda device=None: (10**9, 10**9),
        "max_memory_allocated": lambda device=None: 0,
        "reset_peak_memory_stats": lambda device=None: None,
        "get_rng_state": lambda device="cuda": ops.read_generator(index(device)),
        "set_rng_state": lambda state, device="cuda": ops.write_generator(index(device), state),
        "Stream": lambda *_, **__: stream,
        "current_stream": lambda *_: stream,
        "stream": lambda _: nullcontext(),
        "CUDAGraph": Recorder,
        "graph": lambda graph: graph,  # a capture makes the step, which a real one does not
        "manual_seed": seed,
        "manual_seed_all": seed,
    }
    for attribute, value in replaced.items():
        setattr(cuda, attribute, value)
    meet = dist.init_process_group

    def init_process_group(backend: str, **options: Any) -> None:
        meet(backend.replace("cpu:gloo,cuda:nccl", "cpu:emulated,cuda:emulated"), **options)

    dist.init_process_group = init_process_group
    dist.Backend.register_backend("emulated", Collectives, devices=["cpu", "cuda"])


install()

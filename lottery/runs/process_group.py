"""The processes that train one network: which of them this one is, and how they meet."""

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.config import ConfigError, ProcessRank
from lottery.config.rules import get_nested
from lottery.errors import LotteryError
from lottery.signals import Stopped

if TYPE_CHECKING:
    from lottery.training import Device


class WorkerDied(LotteryError):
    """One of the run's processes is gone."""


def find_process_rank(config: Mapping[str, Any]) -> ProcessRank:
    """Return this process's rank among those that SLURM's srun or torchrun started for the run.

    The values of the composed config need not be checked yet.
    """
    asked = [get_nested(config, f"trainer.{name}") for name in ("devices", "num_nodes")]
    if asked == [1, 1]:
        return ProcessRank()  # other processes beside it belong to other runs
    env = os.environ
    if "TORCHELASTIC_RUN_ID" in env:
        names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE")
    elif int(env.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        names = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_STEP_NUM_TASKS")
    else:
        return ProcessRank()
    try:
        rank, local_rank, node, processes = (int(env[name]) for name in names)
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"trainer.devices: a variable that SLURM or torchrun sets is missing: {error}; unset "
            f"{names[-1]} to start processes here"
        ) from error
    return ProcessRank(rank=rank, local_rank=local_rank, node=node, processes=processes)


@contextmanager
def joined(process: ProcessRank, device: "Device", meeting: Path | None = None) -> Iterator[None]:
    """Join the run's other processes for a while; a process that is alone has nothing to do.

    Workers on one machine meet in the folder `meeting`; other processes meet at the address that
    torchrun or SLURM gave them.
    """
    if process.processes == 1:
        yield
        return
    if device.interface is not None:
        _check_interface(device.interface)
    import torch
    import torch.distributed as dist
    from torch._C._distributed_c10d import FileStore  # which torch.distributed has without a type

    from lottery.distributed import max_over_ranks

    # Lightning looks here for ready-made processes, and would choose its own number of threads.
    # With one device per node each process is a node, also where several share a machine.
    alone = device.num_devices == 1
    local_rank, node = (0, process.rank) if alone else (process.local_rank, process.node)
    os.environ |= {"LOCAL_RANK": str(local_rank), "NODE_RANK": str(node)}
    if device.interface is not None:  # gloo is used beside NCCL, for what is on the CPU
        names = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
        os.environ |= dict.fromkeys(names, device.interface)
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    if device.accelerator == "gpu":
        torch.cuda.set_device(device.torch_device)
    if meeting is None and "MASTER_ADDR" not in os.environ:
        os.environ |= _slurm_address()
    ended_well = False
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device.accelerator == "gpu" else "gloo",
            store=FileStore(str(meeting / "ranks"), process.processes) if meeting else None,
            rank=process.rank,
            world_size=process.processes,
            timeout=timedelta(seconds=device.timeout),
        )
        yield
        max_over_ranks([0])  # wait: a process that leaves cannot answer the others any more
        ended_well = True
    except Stopped:  # all processes leave at the same step
        ended_well = True
        raise
    except RuntimeError as error:
        if "EADDRINUSE" in str(error):
            address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            raise ConfigError(
                f"{address}: another program uses this port; choose another"
            ) from error
        if not isinstance(error, dist.DistError) and "Connection" not in str(error):
            raise
        raise WorkerDied("another process of the run is gone, or never came") from error
    finally:
        # After an error NCCL could wait here for processes that are waiting for this one. The
        # end of this process ends its part of the group.
        if dist.is_initialized() and (ended_well or device.accelerator == "cpu"):
            dist.destroy_process_group()


@contextmanager
def ends_at_once() -> Iterator[None]:
    """End this process without clean-up if its command ends and a group of processes is left.

    After an error on GPUs `joined` leaves the group as it is. When Python ends, NCCL would take it
    down, and could wait for processes that wait for this one. By then everything has been said.
    """
    try:
        yield
    except SystemExit as end:
        torch = sys.modules.get("torch")
        left = torch and torch.distributed.is_available() and torch.distributed.is_initialized()
        if left and isinstance(end.code, int):  # of a text Python would print it
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(end.code)
        raise


def _check_interface(name: str) -> None:
    here = [interface for _, interface in socket.if_nameindex()]
    if name not in here:
        raise ConfigError(f"trainer.interface={name}: no such network here: {', '.join(here)}")


def _slurm_address() -> dict[str, str]:
    """Return where the tasks of a SLURM step meet: the first node, and a port of the job's own."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    host = SLURMEnvironment.resolve_root_node_address(os.environ["SLURM_STEP_NODELIST"])
    number = 10 * int(os.environ["SLURM_JOB_ID"]) + int(os.environ["SLURM_STEP_ID"])
    return {"MASTER_ADDR": host, "MASTER_PORT": str(15000 + number % 15000)}

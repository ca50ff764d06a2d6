"""`trainer`: the device, its processes and threads."""

import torch
from torch import nn

from lottery.config.groups import Trainer
from lottery.config.process_rank import ProcessRank
from lottery.errors import ConfigError
from lottery.training import Device

DEFAULT_THREADS = torch.get_num_threads()  # PyTorch's choice, before a run changes it

SMALL_NETWORK = 100_000  # parameters

DTYPES = {"64-true": torch.float64, "bf16-true": torch.bfloat16}


def dtype_of(precision: str) -> torch.dtype:
    """Return the type of a network's weights under `trainer.precision`."""
    return DTYPES.get(precision, torch.float32)


def build_device(trainer: Trainer, process: ProcessRank) -> Device:
    """Return the device; "auto" is a GPU if there is one."""
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    accelerator = trainer.accelerator
    if accelerator == "gpu" and not num_gpus:
        raise ConfigError("trainer.accelerator=gpu: no GPU is visible here; accepted: cpu, auto")
    if accelerator == "auto":
        accelerator = "gpu" if num_gpus else "cpu"
    if accelerator == "gpu" and trainer.devices > num_gpus:
        raise ConfigError(f"trainer.devices={trainer.devices}: at most {num_gpus}, the GPUs here")
    asked = f"trainer.devices={trainer.devices}, trainer.num_nodes={trainer.num_nodes}"
    if process.processes not in (1, trainer.devices * trainer.num_nodes):
        raise ConfigError(f"{asked}: {process.processes} tasks were started; one per device")
    if process.processes == 1 and trainer.num_nodes > 1:
        raise ConfigError(f"{asked}: needs one task per device, from SLURM or torchrun")
    return Device(
        num_devices=trainer.devices,
        num_nodes=trainer.num_nodes,
        index=process.local_rank,
        timeout=trainer.timeout,
        accelerator=accelerator,
        precision=trainer.precision,
        deterministic=trainer.deterministic,
        compile=trainer.compile,
        block=trainer.block,
    )


def check_batch(batch_size: int, device: Device) -> None:
    """Check that every device gets an example of each batch."""
    if batch_size < device.num_processes:
        raise ConfigError(
            f"dataset.batch_size={batch_size}: at least one example for each of the "
            f"{device.num_processes} devices"
        )


def synchronized(network: nn.Module, device: Device) -> nn.Module:
    """Return the network with BatchNorm layers that see the batches of all processes."""
    layers = network.modules()
    normalizes = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in layers)
    if device.num_processes == 1 or not normalizes:
        return network
    if device.accelerator == "cpu":
        raise ConfigError(
            f"trainer.devices={device.num_devices}: 1 on CPUs for a network with BatchNorm, "
            "which would see a part of each batch only; GPUs synchronize it"
        )
    synced: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]  # torch has no types for it
    return synced


def choose_threads(threads: int | None, network: nn.Module, device: Device) -> int:
    """Return the number of CPU threads for PyTorch: `trainer.threads`, or a choice of ours.

    A small network without convolutions gets one: a second gains nothing, and on a busy machine
    two wait for each other, up to 60 times as long as they compute. The processes of one run
    share PyTorch's own choice.
    """
    if threads is not None:
        return threads
    size = sum(parameter.numel() for parameter in network.parameters())
    convolves = any(isinstance(layer, nn.modules.conv._ConvNd) for layer in network.modules())
    if size < SMALL_NETWORK and not convolves:
        return 1
    return max(1, DEFAULT_THREADS // device.num_devices)

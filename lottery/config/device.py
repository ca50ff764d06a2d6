"""`trainer`: the device, its processes and threads."""

from collections.abc import Callable

import torch
from torch import nn

from lottery.config.gpus import count_gpus, unusable_gpu
from lottery.config.groups import Trainer
from lottery.config.process_rank import ProcessRank
from lottery.errors import ConfigError
from lottery.models.synced_batchnorm import with_synced_batchnorm
from lottery.training import Device
from lottery.training.device import set_kernels

DEFAULT_THREADS = torch.get_num_threads()  # PyTorch's choice, before a run changes it

# What a second thread does not make faster, by parameters and by FLOPs of a training step
SMALL_NETWORK = 100_000
SMALL_STEP = 200_000_000

DTYPES = {"64-true": torch.float64, "bf16-true": torch.bfloat16}


def dtype_of(precision: str) -> torch.dtype:
    """Return the type of a network's weights under `trainer.precision`."""
    return DTYPES.get(precision, torch.float32)


def build_device(trainer: Trainer, process: ProcessRank) -> Device:
    """Return the device; "auto" is a GPU if there is one. How it computes is set, too."""
    num_gpus, accelerator = count_gpus(), trainer.accelerator
    if accelerator == "gpu" and not num_gpus:
        why = unusable_gpu() or "no GPU is visible here"
        raise ConfigError(f"trainer.accelerator=gpu: {why}; accepted: cpu, auto")
    if accelerator == "auto":
        accelerator = "gpu" if num_gpus else "cpu"
    # where SLURM shows each task its own GPU alone, the task is a machine of one GPU
    own_gpu = accelerator == "gpu" and num_gpus == 1 < min(process.processes, trainer.devices)
    if accelerator == "gpu" and trainer.devices > num_gpus and not own_gpu:
        raise ConfigError(f"trainer.devices={trainer.devices}: at most {num_gpus}, the GPUs here")
    asked = f"trainer.devices={trainer.devices}, trainer.num_nodes={trainer.num_nodes}"
    if process.processes not in (1, trainer.devices * trainer.num_nodes):
        raise ConfigError(f"{asked}: {process.processes} tasks were started; one per device")
    if process.processes == 1 and trainer.num_nodes > 1:
        raise ConfigError(f"{asked}: needs one task per device, from SLURM or torchrun")
    if accelerator == "gpu":
        set_kernels(deterministic=trainer.deterministic, tf32=trainer.tf32)
    return Device(
        num_devices=1 if own_gpu else trainer.devices,
        num_nodes=process.processes if own_gpu else trainer.num_nodes,
        index=0 if own_gpu else process.local_rank,
        timeout=trainer.timeout,
        interface=trainer.interface,
        tf32=trainer.tf32,
        benchmark=trainer.benchmark,
        sync_batchnorm=trainer.sync_batchnorm,
        data_on_gpu=trainer.data_on_gpu,
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


def has_batch_norm(network: nn.Module) -> bool:
    """Return whether a network has BatchNorm layers."""
    layers = network.modules()
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in layers)


def synchronized(network: nn.Module, device: Device) -> nn.Module:
    """Return the network with BatchNorm layers that see the batches of all processes.

    With `trainer.sync_batchnorm=false` each layer sees its own process's share of the batch.
    """
    if device.num_processes == 1 or not device.sync_batchnorm:
        return network
    return with_synced_batchnorm(network)


def choose_threads(
    threads: int | None,
    network: nn.Module,
    device: Device,
    step_flops: Callable[[], int] | None = None,
) -> int:
    """Return the number of CPU threads for PyTorch: `trainer.threads`, or a choice of ours.

    A small network without convolutions gets one: a second gains nothing, and on a busy machine
    two wait for each other, up to 60 times as long as they compute. The choice never goes by a
    measured time, because the number of threads affects the last bits. The processes of one run
    share PyTorch's own choice.
    """
    if threads is not None:
        return threads
    size = sum(parameter.numel() for parameter in network.parameters())
    convolves = any(isinstance(layer, nn.modules.conv._ConvNd) for layer in network.modules())
    if not convolves and (size < SMALL_NETWORK or (step_flops and step_flops() < SMALL_STEP)):
        return 1
    return max(1, DEFAULT_THREADS // device.num_devices)

"""How Lightning uses the machine: the devices, and one fit on them."""

import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor


@dataclass(frozen=True)
class Device:
    """Where and how to train."""

    accelerator: str  # "cpu" or "gpu"
    precision: str  # Lightning's name of it, such as "32-true"
    deterministic: bool
    compile: bool
    block: int  # most optimizer steps per Lightning batch
    num_devices: int = 1  # on each node; each has a process of its own
    num_nodes: int = 1
    index: int = 0  # of the GPU that this process uses
    timeout: int = 600  # seconds that processes wait for one another
    interface: str | None = None  # the network between them; None lets them find it
    tf32: bool = False  # of a GPU: round factors of 32 bits to 10 bits of precision
    benchmark: bool = False  # of a GPU: time the algorithms of convolutions, take the quickest
    sync_batchnorm: bool = True  # BatchNorm sees the batches of all processes
    grouped: int = 1  # runs that are trained as one network, this one included
    data_on_gpu: bool | None = None  # where the inputs are; None: on the GPU if they fit
    graph: bool | str = False  # replay captured steps: as asked, or "auto" where that succeeds

    @property
    def num_processes(self) -> int:
        """Number of processes that train together."""
        return self.num_devices * self.num_nodes

    @property
    def torch_device(self) -> torch.device:
        """The device that holds the tensors."""
        if self.accelerator == "gpu":
            return torch.device("cuda", self.index)
        return torch.device("cpu")


def set_kernels(*, deterministic: bool, tf32: bool) -> None:
    """Choose how GPUs compute, for everything that this process does from now on.

    By itself PyTorch multiplies in TF32 in convolutions, and in 32 bits in other products.
    """
    if deterministic:
        # cuBLAS reads it at the first product, which may come before Lightning sets it
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Lightning sets this too, but only when training begins
    torch.use_deterministic_algorithms(deterministic)
    _fill_nothing()
    # Not by `fp32_precision`, torch's newer name: Lightning and torch.compile then fail, because
    # they ask by the older ones.
    torch.backends.cudnn.allow_tf32 = tf32
    torch.set_float32_matmul_precision("high" if tf32 else "highest")


def _fill_nothing() -> None:
    """Keep torch from filling every new tensor with NaN under deterministic kernels."""
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def fit_quietly(
    module: pl.LightningModule,
    loader: Iterable[Tensor],
    *,
    device: Device,
    callbacks: Sequence[pl.Callback],
    loggers: Sequence[Logger],
    folder: Path,
    some_unused: bool,
) -> None:
    """Fit with a new Trainer, without Lightning's messages; a used Trainer does not train again.

    The folder is the round's, so that Lightning finds no leftovers of another round. DDP must
    know whether some parameters have no part in the loss.
    """
    with quiet():
        trainer = pl.Trainer(
            accelerator=device.accelerator,
            precision=device.precision,  # type: ignore[arg-type]  # a Literal of all names
            deterministic=device.deterministic,
            benchmark=device.benchmark,
            max_epochs=1,
            callbacks=list(callbacks),
            # Keeps Lightning from using the environment of a SLURM job.
            plugins=[LightningEnvironment()],
            logger=list(loggers) or False,
            default_root_dir=folder,
            enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,  # self.log is not used; 50 makes it warn of short rounds
            use_distributed_sampler=False,
            **placement(device, some_unused=some_unused),
        )
        leave_signals(trainer)
        trainer.fit(module, loader)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning from telling what is as it should be."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Lightning 2.6 calls torch 2.13 in a way that torch will drop.
        warnings.filterwarnings("ignore", message=r".*LeafSpec.*", category=FutureWarning)
        # A run on the CPU was asked for.
        warnings.filterwarnings("ignore", message=r"GPU available but not used")
        # Every login node has an srun.
        warnings.filterwarnings("ignore", message=r"The `srun` command is available")
        # Evaluation on several devices, which docs/tutorials/lightning.md speaks of.
        warnings.filterwarnings("ignore", message=r"Using `DistributedSampler` with the data")
        # A ModelCheckpoint keeps the network after a step, as intended.
        warnings.filterwarnings("ignore", message=r"Using ModelCheckpoint with manual opt")
        yield


def leave_signals(trainer: pl.Trainer) -> None:
    """Leave signals to lottery/signals.py, and new tensors as they are.

    Lightning would answer SIGTERM itself; with several processes, by a broadcast from within the
    handler, and it would ask all at every batch.
    """
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    epoch_loop = trainer.fit_loop.epoch_loop
    epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
    _fill_nothing()


def placement(device: Device, *, some_unused: bool) -> dict[str, Any]:
    """Return the Trainer's arguments that say where it trains."""
    if device.num_processes == 1:
        return {"devices": [device.index] if device.accelerator == "gpu" else 1}
    # The processes exist already and have met: Lightning starts none.
    strategy = DDPStrategy(
        timeout=timedelta(seconds=device.timeout),
        find_unused_parameters=some_unused,
        batched_grad_copy=True,  # else two small copies for every parameter at every step
    )
    return {"devices": device.num_devices, "num_nodes": device.num_nodes, "strategy": strategy}

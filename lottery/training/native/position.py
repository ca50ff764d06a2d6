"""Where a fit of Lightning's is: its checkpoint as plain containers, and as tensors of a file.

A round that is rewound to step k starts from the position of step k: loops, schedules, what the
user's module and data keep in a checkpoint. Weights and optimizer states are stored apart.
"""

import io
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from lottery.errors import LotteryError
from lottery.tensors import Tensors

Checkpoint = dict[str, Any]

# Constructors' arguments, which may be of any type; the round makes its module by the config.
HYPER_PARAMETERS = ("hyper_parameters", "hparams_name", "hparams_type")
WEIGHTS, OPTIMIZERS, CALLBACKS = "state_dict", "optimizer_states", "callbacks"
PACKED = "lightning"  # the name of the tensor that holds plain containers


class NotPlain(LotteryError):
    """A user's module or data keep something in a checkpoint that could not be read safely."""


def read_position(trainer: pl.Trainer, *, begins_epoch: bool) -> Checkpoint:
    """Return Lightning's checkpoint without callbacks; `begins_epoch` in `on_train_epoch_start`.

    There Lightning has counted the epoch as begun already. A checkpoint of the moment before lets
    a resumed fit begin the epoch, with its hooks and a new iterator.
    """
    checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
    for name in HYPER_PARAMETERS:
        checkpoint.pop(name, None)
        checkpoint.pop(f"datamodule_{name}", None)
    if begins_epoch:
        loop = checkpoint["loops"]["fit_loop"]
        loop["state_dict"].pop("combined_loader", None)  # that of the epoch before
        for counts in loop["epoch_progress"].values():
            counts["ready"] -= 1
    return {**checkpoint, CALLBACKS: {}}


def to_bytes(content: Any) -> bytes:
    """Return plain containers and tensors as bytes that `torch.load` reads safely."""
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def check_plain(content: bytes) -> None:
    """Raise NotPlain if `torch.load` would not read bytes safely."""
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = [line for line in str(error).splitlines() if "GLOBAL" in line or "global" in line]
        line = (found or [str(error)])[0].strip()
        raise NotPlain(
            "the module's or the data's on_save_checkpoint or state_dict keep other things than "
            f"plain containers and tensors: {line}"
        ) from error


def pack(content: Any) -> Tensors:
    """Return plain containers and tensors as one tensor of bytes, for a tensor file."""
    return {PACKED: torch.frombuffer(bytearray(to_bytes(content)), dtype=torch.uint8)}


def unpack(tensors: Mapping[str, Tensor]) -> Any:
    """Return what `pack` has packed."""
    stream = io.BytesIO(tensors[PACKED].numpy().tobytes())
    return torch.load(stream, map_location="cpu", weights_only=True)


def without_states(position: Checkpoint) -> Checkpoint:
    """Return a position without weights and optimizer states, which are stored apart."""
    fresh = [{**state, "state": {}} for state in position[OPTIMIZERS]]
    return {**position, WEIGHTS: {}, OPTIMIZERS: fresh}


def read_optimizers(optimizers: Sequence[Optimizer]) -> list[dict[str, Any]]:
    """Return the states of all optimizers."""
    return [optimizer.state_dict()["state"] for optimizer in optimizers]


def write_optimizers(optimizers: Sequence[Optimizer], states: Sequence[dict[str, Any]]) -> None:
    """Give new optimizers stored states; rates and other arguments stay as they are."""
    for optimizer, state in zip(optimizers, states, strict=True):
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})

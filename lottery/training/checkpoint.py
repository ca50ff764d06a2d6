"""The checkpoint of a running round: written at intervals, and when a stop is asked for."""

import io
import logging
import math
import pickle
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from lottery.distributed import from_main, gather, is_main, max_over_ranks
from lottery.models.state import State, read_state
from lottery.record.files import replacing
from lottery.signals import Stopped, StopRequest
from lottery.training.curves import val_losses
from lottery.training.evaluation import Evaluator
from lottery.training.module import LotteryModule
from lottery.training.mover import Mover
from lottery.training.rewind_state import StateKeeper, read_all_generators, write_own_generators

log = logging.getLogger(__name__)

Checkpoint = dict[str, Any]  # plain containers and tensors: torch.load(weights_only=True) reads it


@dataclass(kw_only=True, eq=False, repr=False)  # Lightning prints its callbacks' repr
class Checkpointer(pl.Callback):
    """Saves how far the round is, and restores it.

    It must be the last callback: it saves what the others have done at the step.
    """

    path: Path
    every_seconds: float | None  # None writes a checkpoint only when a stop is asked for
    identity: str  # of the run and the round's start; a checkpoint of others is not used
    stop: StopRequest
    evaluator: Evaluator
    keeper: StateKeeper
    others: Sequence[pl.Callback]  # users' callbacks
    mover: Mover | None = None  # of masks that move
    made_by: str | None = None  # all that the last bits depend on, as a digest

    def __post_init__(self) -> None:
        self._seconds_before = 0.0  # of training, in processes before this one
        self.in_one_place = True  # whether all steps were made where this one is
        self._loaded: Checkpoint | None = None
        self._begun = self._last_saved = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training in all."""
        return self._seconds_before + time.monotonic() - self._begun

    def load(self, module: LotteryModule) -> bool:
        """Put the module where the checkpoint is; return False if no checkpoint fits."""
        checkpoint = from_main(lambda: read_checkpoint(self.path, self.identity))
        if checkpoint is None:
            return False
        if self.mover:
            self.mover.restore(checkpoint["mover"], module)
        if module.learned:
            module.learned.restore(checkpoint["learned"])
            module.change_masks(module.learned.choose())
        module.resume(
            State(checkpoint["weights"], checkpoint["buffers"]),
            optimizer_state=checkpoint["optimizer"],
            step=checkpoint["step"],
            first_seen=checkpoint["first_seen"],
        )
        self._seconds_before = checkpoint["seconds"]
        # those of older versions do not say it
        self.in_one_place = checkpoint.get("made_by", "unknown") == self.made_by
        self.evaluator.restore(checkpoint["evaluator"])
        module.follow(val_losses(self.evaluator.curves.entries))
        self.keeper.restore(checkpoint["keeper"])
        self._loaded = checkpoint
        return True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore what each rank has of its own; this comes right before the first step."""
        self._begun = self._last_saved = time.monotonic()
        if self._loaded is None:
            return
        write_own_generators(self._loaded["generators"], pl_module.device)
        self.evaluator.sums.restore(self._loaded["sums"], pl_module.device)
        for callback in self.others:
            if callback.state_key in self._loaded["callbacks"]:
                callback.load_state_dict(self._loaded["callbacks"][callback.state_key])
        self._loaded = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Save if it is time to, or if a stop is asked for; then raise `Stopped`."""
        assert isinstance(pl_module, LotteryModule)
        if pl_module.step == self.evaluator.last_step or trainer.should_stop:
            return  # the round is about to be finished, which stores more
        every = math.inf if self.every_seconds is None else self.every_seconds
        due = is_main() and time.monotonic() - self._last_saved >= every
        signum, any_due = max_over_ranks([self.stop.signum, int(due)])
        if signum or any_due:
            self._save(trainer, pl_module)
        if signum:
            raise Stopped(signum, f"at step {pl_module.step}")

    def _save(self, trainer: pl.Trainer, module: LotteryModule) -> None:
        state = read_state(module.network)
        checkpoint: Checkpoint = {
            "identity": self.identity,
            "step": module.step,
            "first_seen": module.first_seen,
            "seconds": self.seconds,
            "made_by": self.made_by if self.in_one_place else "several",
            "weights": state.weights,
            "buffers": state.buffers,
            "optimizer": own_state(trainer.optimizers[0]),
            "evaluator": self.evaluator.snapshot(),
            "keeper": self.keeper.snapshot(),
            "mover": self.mover.snapshot() if self.mover else {},
            "learned": module.learned.snapshot() if module.learned else {},
            "callbacks": plain_states(self.others),
            "generators": read_all_generators(module.device),
            "sums": gather(self.evaluator.sums.snapshot()),
        }
        from_main(lambda: _write(self.path, checkpoint))  # no rank leaves before it is written
        self._last_saved = time.monotonic()


def own_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimizer's state in tensors of its own.

    Those of a run that is trained with others are parts of larger tensors, which a file would hold
    whole.
    """
    state = optimizer.state_dict()
    entries = {
        number: {
            name: value.clone() if isinstance(value, Tensor) else value
            for name, value in of_one.items()
        }
        for number, of_one in state["state"].items()
    }
    return {**state, "state": entries}


def plain_states(callbacks: Sequence[pl.Callback]) -> dict[str, Any]:
    """Return the states of users' callbacks, without those that could not be read again."""
    states = {}
    for callback in callbacks:
        content = io.BytesIO()
        torch.save(callback.state_dict(), content)
        content.seek(0)
        try:
            states[callback.state_key] = torch.load(content, weights_only=True)
        except pickle.UnpicklingError:
            log.warning(
                "%s: its state is no plain containers and tensors, so no checkpoint keeps it",
                type(callback).__name__,
            )
    return states


def _write(path: Path, checkpoint: Checkpoint) -> None:
    content = io.BytesIO()  # torch's own writer does not report a full disk
    torch.save(checkpoint, content)
    try:
        with replacing(path) as aside:
            aside.write_bytes(content.getbuffer())
    except OSError as error:
        log.warning("no checkpoint at step %d: %s", checkpoint["step"], error)


def read_checkpoint(path: Path, identity: str) -> Checkpoint | None:
    """Read a checkpoint; None if it is missing, damaged, or of another start."""
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch does not look at the checksums
        checkpoint: Checkpoint = {**torch.load(path, map_location="cpu", weights_only=True)}
    except Exception as error:  # noqa: BLE001  # a damaged file can raise anything
        damaged, checkpoint = f"{type(error).__name__}: {error}".splitlines()[0], {}
    if damaged is not None:
        log.warning("%s is damaged (%s): the round starts again", path, damaged)
        return None
    if checkpoint.get("identity") != identity:
        log.warning("%s is of another run or start of this round, which starts again", path)
        return None
    return checkpoint

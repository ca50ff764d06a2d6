"""The checkpoint of a round that Lightning trains, and the state that later rounds rewind to.

Both are made at an epoch's start, from which everything can be done again: the random numbers of
an epoch are its own. Inside an epoch they are made only where each loader of the training data
tells where it is (`state_dict`).
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint as LightningCheckpoint
from torch import Tensor

from lottery.distributed import from_main, is_main, max_over_ranks
from lottery.errors import LotteryError
from lottery.models.state import State, read_state
from lottery.record.files import replacing
from lottery.signals import Stopped, StopRequest
from lottery.tensors import Tensors
from lottery.training.checkpoint import plain_states, read_checkpoint
from lottery.training.native.clock import clock
from lottery.training.native.evaluation import MetricWatcher
from lottery.training.native.position import (
    CALLBACKS,
    OPTIMIZERS,
    WEIGHTS,
    Checkpoint,
    NotPlain,
    check_plain,
    pack,
    read_optimizers,
    read_position,
    to_bytes,
    unpack,
    without_states,
    write_optimizers,
)
from lottery.training.rewind_state import read_all_generators, write_own_generators

log = logging.getLogger(__name__)

OURS = "lottery"  # the key of what is ours in Lightning's checkpoint
SHARE_OF_WRITING = 20  # the checkpoints of short epochs may take a twentieth of the time


class NoStepToKeep(LotteryError):
    """A round cannot store the step that later rounds rewind to."""


@dataclass(kw_only=True, eq=False, repr=False)  # Lightning prints its callbacks' repr
class RoundCheckpointer(LightningCheckpoint):
    """Saves how far a round is; Lightning calls it after all other callbacks.

    `every_seconds` holds inside epochs; None writes only when a stop is asked for.
    """

    path: Path
    every_seconds: float | None
    identity: str  # of the run and the round's start; a checkpoint of others is not used
    stop: StopRequest
    watcher: MetricWatcher
    others: Sequence[pl.Callback]  # users' callbacks
    keep_step: int | None
    start_optimizers: Tensors  # packed; empty = fresh
    kept: State | None = field(init=False, default=None)
    first_seen: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._seconds_before = 0.0  # of training, in processes before this one
        self._loaded: dict[str, Any] = {}
        self._begun = self._last_saved = time.monotonic()
        self._writing_took = 0.0
        self._known_plain = False

    @property
    def seconds(self) -> float:
        """Seconds of training in all."""
        return self._seconds_before + time.monotonic() - self._begun

    def load(self) -> bool:
        """Take up the checkpoint, from which Lightning then resumes; False if none fits."""
        checkpoint = from_main(lambda: read_checkpoint(self.path, self.identity))
        if checkpoint is None:
            return False
        ours = self._loaded = checkpoint[OURS]
        self._seconds_before = ours["seconds"]
        self.watcher.restore(ours["watcher"])
        self.kept = State(**ours["kept"]) if ours["kept"] else None
        self.first_seen = ours["first_seen"]
        self._known_plain = True
        if ours["begun"]:
            log.info("%s: carrying on from it", self.path)
        return True

    def begin_at(
        self, position: Checkpoint, module: pl.LightningModule, generators: Tensors
    ) -> None:
        """Write the checkpoint of a round that starts at a kept position."""
        # Lightning's strategies load a state dict by name: with the start's weights it is whole.
        checkpoint = {**position, WEIGHTS: module.state_dict()}
        ours = self._snapshot(module, generators)
        from_main(lambda: self._write(self._content(checkpoint, ours)))

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore buffers that no state dict has."""
        self._begun = self._last_saved = time.monotonic()
        with torch.no_grad():
            buffers = dict(pl_module.named_buffers())
            for name, stored in self._loaded.get("buffers", {}).items():
                buffers[name].copy_(stored)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore what each rank has of its own, and gradients that wait for a step."""
        loaded, self._loaded = self._loaded, {}
        write_own_generators(loaded.get("generators", {}), pl_module.device)
        parameters = dict(pl_module.named_parameters())
        for name, gradient in loaded.get("gradients", {}).items():
            parameters[name].grad = gradient.to(parameters[name].device)
        for callback in self.others:
            if callback.state_key in loaded.get("callbacks", {}):
                callback.load_state_dict(loaded["callbacks"][callback.state_key])
        if self.start_optimizers and not loaded.get("begun"):
            write_optimizers(trainer.optimizers, unpack(self.start_optimizers))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep and save at an epoch's start."""
        if clock(trainer) == self.keep_step:
            self._keep(trainer, pl_module, begins_epoch=True)
        seconds = math.inf
        if self.every_seconds is not None:
            seconds = min(self.every_seconds, SHARE_OF_WRITING * self._writing_took)
        if self.first_seen and self._is_due(seconds):  # nothing is lost before the first batch
            self._save(trainer, pl_module, begins_epoch=True)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Note what the round's first batch is trained with, for the checks."""
        # Else Lightning would leave out the epoch's last step of schedules that watch a metric.
        trainer.fit_loop._restarting = False
        if not self.first_seen:
            self.first_seen = {
                "first_step": clock(trainer) - 1,
                "first_learning_rate": [o.param_groups[0]["lr"] for o in trainer.optimizers],
                "first_optimizer_entries": sum(
                    len(state) for state in read_optimizers(trainer.optimizers)
                ),
            }

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Save inside an epoch if that is possible and due; stop where it is asked for."""
        if clock(trainer) == self.watcher.last_step or trainer.should_stop:
            return  # the round is about to be finished, which stores more
        if clock(trainer) == self.keep_step and not self._ends_epoch(trainer):
            if not self._can_save_here(trainer):
                raise NoStepToKeep(
                    f"step {self.keep_step}, which reinit.to names, is inside an epoch, and the "
                    "training data's loader has no state_dict, or a step is pending; name an epoch"
                )
            self._keep(trainer, pl_module, begins_epoch=False)
        (signum,) = max_over_ranks([self.stop.signum])
        every = math.inf if self.every_seconds is None else self.every_seconds
        if (signum or self._is_due(every)) and self._can_save_here(trainer):
            self._save(trainer, pl_module, begins_epoch=False)
        if signum:
            raise Stopped(signum, f"at step {clock(trainer)}")

    def _is_due(self, seconds: float) -> bool:
        (due,) = max_over_ranks([int(is_main() and self._since_saved >= seconds)])
        return bool(due)

    @property
    def _since_saved(self) -> float:
        return time.monotonic() - self._last_saved

    def _can_save_here(self, trainer: pl.Trainer) -> bool:
        """Return whether a fit can be resumed exactly from this batch's end."""
        loop = trainer.fit_loop
        loader = loop._combined_loader
        loaders = [] if loader is None else loader.flattened
        configs = trainer.lr_scheduler_configs
        return (
            all(hasattr(loader, "state_dict") for loader in loaders)
            and not self._ends_epoch(trainer)
            and not loop._should_accumulate()
            and clock(trainer) % int(trainer.val_check_interval)
            != 0  # validation comes after this
            and not any(c.reduce_on_plateau and c.interval == "step" for c in configs)
        )

    def _ends_epoch(self, trainer: pl.Trainer) -> bool:
        return trainer.fit_loop.epoch_loop.batch_progress.is_last_batch

    def _keep(
        self, trainer: pl.Trainer, module: pl.LightningModule, *, begins_epoch: bool
    ) -> None:
        """Keep the whole state of a step, as the tensors of its files."""
        position = read_position(trainer, begins_epoch=begins_epoch)
        states = [state["state"] for state in position[OPTIMIZERS]]
        generators = {} if begins_epoch else read_all_generators(module.device)
        packed = pack(without_states(position))
        for tensors in (packed, pack(states)):
            (content,) = tensors.values()
            check_plain(content.numpy().tobytes())
        state = read_state(module)
        self.kept = State(
            state.weights, state.buffers, optimizer=pack(states), generators=generators | packed
        )

    def _save(
        self, trainer: pl.Trainer, module: pl.LightningModule, *, begins_epoch: bool
    ) -> None:
        began = time.monotonic()
        position = read_position(trainer, begins_epoch=begins_epoch)
        generators = {} if begins_epoch else read_all_generators(module.device)
        ours = self._snapshot(module, generators)
        content = self._content(position, ours)
        try:
            if not self._known_plain:
                check_plain(content)
            self._known_plain = True
            from_main(lambda: self._write(content))
        except NotPlain as error:
            log.warning("no checkpoint: %s; an interrupted round starts again", error)
            self.every_seconds = None
        self._last_saved = time.monotonic()
        self._writing_took = self._last_saved - began

    def _snapshot(self, module: pl.LightningModule, generators: Tensors) -> dict[str, Any]:
        in_state_dict = module.state_dict().keys()
        buffers = {n: b for n, b in module.named_buffers() if n not in in_state_dict}
        return {
            "begun": bool(self.first_seen),
            "seconds": self.seconds,
            "watcher": self.watcher.snapshot(),
            "kept": vars(self.kept) if self.kept else {},
            "first_seen": self.first_seen,
            CALLBACKS: plain_states(self.others),
            "buffers": buffers,
            "generators": generators,
            "gradients": {} if module.automatic_optimization else _gradients(module),
        }

    def _content(self, position: Checkpoint, ours: dict[str, Any]) -> bytes:
        return to_bytes({**position, "identity": self.identity, OURS: ours})

    def _write(self, content: bytes) -> None:
        try:
            with replacing(self.path) as aside:
                aside.write_bytes(content)
        except OSError as error:
            log.warning("no checkpoint: %s", error)


def _gradients(module: pl.LightningModule) -> dict[str, Tensor]:
    """Return the gradients, which a manual optimization may collect over several batches."""
    named = module.named_parameters()
    return {name: weight.grad for name, weight in named if weight.grad is not None}

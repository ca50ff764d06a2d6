"""One round's training: a new Lightning Trainer over the same network."""

import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import Logger
from torch import nn

from lottery.data import BatchOrder, Splits
from lottery.masks import Masks
from lottery.measure import Loss, inference_ms, peak_memory_mb
from lottery.models.state import Start, State, read_state, write_state
from lottery.progress import Progress
from lottery.seeds import derive_seed
from lottery.training.blocks import Blocks
from lottery.training.evaluation import Evaluator, Protocol
from lottery.training.keeper import StateKeeper
from lottery.training.module import Diverged as Diverged
from lottery.training.module import LotteryModule, MakeOptimizer
from lottery.training.reporter import Reporter
from lottery.training.schedules import Schedule


@dataclass(frozen=True)
class Outcome:
    """What came out of a round's training.

    Args:
        started: the network before the first step, under the masks.
        es: state at the lowest validation loss.
        final: state after the last step, with the optimizer's.
        kept: state at the step asked for, with the optimizer's; None if none was asked for.
        es_step: step of `es` on the run's clock.
        steps: optimizer steps made.
        measured: `val`, `test`, ... at ES and at the last step.
        history: iteration, split, loss, accuracy.
        timing: seconds, steps per second, milliseconds per example, megabytes.
    """

    started: State
    es: State
    final: State
    kept: State | None
    es_step: int
    steps: int
    measured: dict[str, float]
    history: list[dict[str, Any]]
    timing: dict[str, float]


@dataclass(frozen=True)
class Device:
    """How Lightning uses the machine.

    Args:
        accelerator: "cpu" or "gpu".
        precision: Lightning's name of it, such as "32-true".
        deterministic: only deterministic kernels.
        compile: compile the network.
        block: most optimizer steps per Lightning batch.
    """

    accelerator: str
    precision: str
    deterministic: bool
    compile: bool
    block: int

    @property
    def torch_device(self) -> torch.device:
        """The device the tensors live on."""
        return torch.device("cuda" if self.accelerator == "gpu" else "cpu")


@dataclass(frozen=True)
class LightningFit:
    """Trains one round after the other.

    Args:
        network: lives through all rounds; each round writes its start weights into it.
        splits: in the device's memory.
        loss: mean loss of (logits, targets).
        make_optimizer: the optimizer, new each round.
        schedule: factor of the learning rate by step.
        clip_norm: largest gradient norm, or None.
        batch_size: examples per step.
        order_seed: the run's seed for data order.
        fixed_order: every round sees round 0's batches.
        protocol: when to evaluate and to stop.
        device: how Lightning uses the machine.
        make_callbacks: further Lightning callbacks, new for each round.
        make_loggers: Lightning loggers, new for each round.
        progress: the display to tell how far a round is.
    """

    network: nn.Module
    splits: Splits
    loss: Loss
    make_optimizer: MakeOptimizer
    schedule: Schedule
    clip_norm: float | None
    batch_size: int
    order_seed: int
    fixed_order: bool
    protocol: Protocol
    device: Device
    make_callbacks: Callable[[int], list[pl.Callback]]
    make_loggers: Callable[[int], list[Logger]]
    progress: Progress

    def __call__(
        self, round_number: int, start: Start, masks: Masks, keep_step: int | None
    ) -> Outcome:
        """Train a round.

        Args:
            round_number: the round, for data order and dropout.
            start: its start; the masks are applied here.
            masks: by parameter name.
            keep_step: a step whose state to keep, or None.

        Raises:
            Diverged: the loss is no longer finite.
        """
        write_state(self.network, State(start.weights, start.buffers))
        module = LotteryModule(
            self.network,
            self.splits.train,
            self.loss,
            masks,
            start,
            self.make_optimizer,
            self.schedule,
            self.clip_norm,
        )
        last_step = start.first_step + start.num_steps
        evaluator = Evaluator(self.splits, self.loss, self.protocol, last_step)
        keeper = StateKeeper(keep_step)
        started = read_state(self.network)
        self.progress.begin_round(round_number, start.num_steps)
        reporter = Reporter(self.progress, evaluator)
        own = self.make_callbacks(round_number)
        loggers = self.make_loggers(round_number)
        trainer = self._trainer([evaluator, keeper, reporter, *own], loggers)
        # Dropout and the like draw from the global generator.
        torch.manual_seed(derive_seed(self.order_seed, "training", self._order_key(round_number)))
        begun = time.perf_counter()
        with warnings.catch_warnings():
            # Lightning 2.6 asks torch 2.13 in a way that torch is about to drop
            warnings.filterwarnings("ignore", message=r".*LeafSpec.*", category=FutureWarning)
            # every login node has an srun
            warnings.filterwarnings("ignore", message=r"The `srun` command is available")
            try:
                trainer.fit(module, self._blocks(round_number, start, keep_step))
            except Diverged as error:
                hint = "a smaller optimizer.lr or an optimizer.clip_norm may help"
                raise Diverged(f"round {round_number}, {error}; {hint}") from error
        seconds = time.perf_counter() - begun
        return self._outcome(module, started, evaluator, keeper, seconds)

    def _order_key(self, round_number: int) -> int:
        return 0 if self.fixed_order else round_number

    def _blocks(self, round_number: int, start: Start, keep_step: int | None) -> Blocks:
        key = self._order_key(round_number)
        order = BatchOrder(len(self.splits.train), self.batch_size, self.order_seed, key)
        return Blocks(
            order,
            first=start.first_step,
            last=start.first_step + start.num_steps,
            size=self.device.block,
            every=self.protocol.every,
            keep=keep_step,
        )

    def _trainer(self, callbacks: list[pl.Callback], loggers: list[Logger]) -> pl.Trainer:
        # A used Trainer silently does not train again. The plugin keeps Lightning from taking a
        # SLURM job's environment for its own.
        logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
        trainer = pl.Trainer(
            accelerator=self.device.accelerator,
            devices=1,
            precision=self.device.precision,  # type: ignore[arg-type]  # a Literal of all names
            deterministic=self.device.deterministic,
            max_epochs=1,
            callbacks=callbacks,
            plugins=[LightningEnvironment()],
            logger=loggers or False,
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,  # nothing goes through self.log; 50 makes it warn of short rounds
        )
        # With deterministic kernels torch also fills every new tensor with NaN, for debugging.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        return trainer

    def _outcome(
        self,
        module: LotteryModule,
        started: State,
        evaluator: Evaluator,
        keeper: StateKeeper,
        seconds: float,
    ) -> Outcome:
        optimizer = module.trainer.optimizers[0]
        final = read_state(self.network, optimizer)
        assert evaluator.es_state is not None
        device = self.device.torch_device
        self.network.to(device)  # Lightning has moved it to the CPU
        steps = module.step - module.start.first_step
        return Outcome(
            started=started,
            es=evaluator.es_state,
            final=final,
            kept=keeper.state,
            es_step=evaluator.es_step,
            steps=steps,
            measured=evaluator.at_es | evaluator.at_last,
            history=evaluator.history,
            timing={
                "train_seconds": seconds,
                "steps_per_second": steps / seconds,
                "inference_ms": inference_ms(self.network, self.splits.val),
                "peak_memory_mb": peak_memory_mb(device),
            },
        )

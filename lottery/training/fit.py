"""One round's training: a new Lightning Trainer over the same network."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from torch import nn

from lottery.data import BatchOrder, Draws, Splits
from lottery.distributed import is_main, rank, share
from lottery.masks import Masks
from lottery.measure.csr_latency import inference_csr_ms
from lottery.measure.evaluate import Loss, evaluating, inference_ms, peak_memory_mb
from lottery.models.state import Start, State, read_state, write_state
from lottery.progress import Display
from lottery.record.run_dir import RunDir
from lottery.seeds import derive_seed
from lottery.signals import Stopped, StopRequest
from lottery.tensors import digest
from lottery.training.blocks import Blocks
from lottery.training.checkpoint import Checkpointer
from lottery.training.device import Device as Device
from lottery.training.device import make_trainer
from lottery.training.early_bird import EarlyBird
from lottery.training.evaluation import EvaluationSchedule, Evaluator
from lottery.training.module import Diverged as Diverged
from lottery.training.module import FirstStep, LotteryModule, MakeOptimizer, describe_step
from lottery.training.progress_callback import Reporter
from lottery.training.rewind_state import StateKeeper
from lottery.training.rng_state import write_generators
from lottery.training.schedules import Schedule

log = logging.getLogger(__name__)


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
        timing: seconds, steps per second, milliseconds per example (dense, and in CSR where
            that can pay), megabytes.
        first_seen: learning rate and batch of the first step, as the training used them.
        first_expected: the same as they should have been.
    """

    started: State
    es: State
    final: State
    kept: State | None
    es_step: int
    steps: int
    measured: dict[str, float]
    history: list[dict[str, Any]]
    timing: dict[str, float | None]
    first_seen: FirstStep
    first_expected: FirstStep


@dataclass(frozen=True)
class LightningFit:
    """Trains one round after the other.

    Args:
        network: lives through all rounds; each round writes its start weights into it.
        load_splits: gives the data in the device's memory, the same each time.
        loss: mean loss of (logits, targets).
        make_optimizer: the optimizer, new each round.
        schedule: factor of the learning rate by step.
        clip_norm: largest gradient norm, or None.
        batch_size: examples per step.
        order_seed: the run's seed for data order.
        augmentation_seed: the run's seed for augmentation.
        fixed_order: every round sees round 0's batches, augmented in the same way.
        evaluation: when to evaluate and to stop.
        device: how Lightning uses the machine.
        make_callbacks: further Lightning callbacks, new for each round.
        make_loggers: Lightning loggers, new for each round.
        progress: the display to tell how far a round is.
        run_dir: where the checkpoints of a running round go.
        checkpoint_seconds: time between checkpoints; None writes one only at a stop.
        stop: whether a signal has asked to stop.
    """

    network: nn.Module
    load_splits: Callable[[], Splits]
    loss: Loss
    make_optimizer: MakeOptimizer
    schedule: Schedule
    clip_norm: float | None
    batch_size: int
    order_seed: int
    augmentation_seed: int
    fixed_order: bool
    evaluation: EvaluationSchedule
    device: Device
    make_callbacks: Callable[[int], list[pl.Callback]]
    make_loggers: Callable[[int], list[Logger]]
    progress: Display
    run_dir: RunDir
    checkpoint_seconds: float | None
    stop: StopRequest

    @property
    def splits(self) -> Splits:
        """The data."""
        return self.load_splits()

    def __call__(
        self,
        round_number: int,
        start: Start,
        masks: Masks,
        keep_step: int | None,
        early_bird: EarlyBird | None = None,
    ) -> Outcome:
        """Train a round, from its checkpoint where there is one.

        Args:
            round_number: the round, for data order and dropout.
            start: its start; the masks are applied here.
            masks: by parameter name.
            keep_step: a step whose state to keep, or None.
            early_bird: looks at the network at every evaluation, or None.

        Raises:
            Diverged: the loss is no longer finite.
            Stopped: a signal asked for it.
        """
        module = self._module(round_number, start, masks)
        started = read_state(self.network)
        last_step = start.first_step + start.num_steps
        evaluator = Evaluator(self.splits, self.loss, self.evaluation, last_step, early_bird)
        keeper = StateKeeper(keep_step)
        own = self.make_callbacks(round_number)
        folder = self.run_dir.round(round_number)
        identity = digest(started.weights | started.buffers | _named_masks(masks))
        checkpointer = Checkpointer(
            *(folder.checkpoint, self.checkpoint_seconds, identity, self.stop),
            *(evaluator, keeper, own),
        )
        self._seed(round_number, start)
        if checkpointer.load(module):
            log.info("round %d: carrying on from step %d", round_number, module.step)
        self.progress.begin_round(round_number, start.num_steps, module.step - start.first_step)
        reporter = Reporter(self.progress, evaluator)
        blocks = self._blocks(round_number, module.step, last_step, keep_step)
        try:
            self._run_trainer(
                *(module, blocks, [evaluator, keeper, reporter, *own, checkpointer]),
                *(self.make_loggers(round_number), folder.path),
            )
        except Diverged as error:
            hint = "a smaller optimizer.lr or an optimizer.clip_norm may help"
            raise Diverged(f"round {round_number}, {error}; {hint}") from error
        except Stopped as stop:
            raise Stopped(stop.signum, f"in round {round_number} {stop.where}") from None
        expected = self._first_step(round_number, start)
        return self._outcome(module, started, evaluator, keeper, checkpointer.seconds, expected)

    def _first_step(self, round_number: int, start: Start) -> FirstStep:
        """What the round's first step should be made with; rank 0 looks, for all."""
        if not is_main():
            return {}
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        base_rate = self.make_optimizer(parameters).param_groups[0]["lr"]
        first = start.first_step
        (rows,) = share(self._order(round_number).rows(first, first + 1), dim=1)
        return describe_step(base_rate * self.schedule(start.schedule_step), rows)

    def _module(self, round_number: int, start: Start, masks: Masks) -> LotteryModule:
        """The LightningModule over the network, which gets the start's weights."""
        write_state(self.network, State(start.weights, start.buffers))
        return LotteryModule(
            *(self.network, self.splits.train, self.loss, masks, start, self.make_optimizer),
            *(self.schedule, self.clip_norm, self.batch_size),
            *(self._draws(round_number), self.stop),
        )

    def _seed(self, round_number: int, start: Start) -> None:
        """Seed the global generators, which dropout and the like draw from."""
        parts = (self.order_seed, "training", self._order_key(round_number))
        torch.manual_seed(derive_seed(*parts, rank()) if rank() else derive_seed(*parts))
        if self.fixed_order:
            write_generators(start.generators)

    def _order_key(self, round_number: int) -> int:
        return 0 if self.fixed_order else round_number

    def _draws(self, round_number: int) -> Draws | None:
        augmentation = self.splits.train.augmentation
        if augmentation is None:
            return None
        key = self._order_key(round_number)
        return Draws(augmentation, self.batch_size, self.augmentation_seed, key)

    def _order(self, round_number: int) -> BatchOrder:
        key = self._order_key(round_number)
        return BatchOrder(len(self.splits.train), self.batch_size, self.order_seed, key)

    def _blocks(self, round_number: int, first: int, last: int, keep_step: int | None) -> Blocks:
        return Blocks(
            self._order(round_number),
            first=first,
            last=last,
            size=self.device.block,
            every=self.evaluation.every,
            keep=keep_step,
        )

    def _run_trainer(
        self,
        module: LotteryModule,
        blocks: Blocks,
        callbacks: list[pl.Callback],
        loggers: list[Logger],
        folder: Path,
    ) -> None:
        """Fit with a new Trainer: a used one silently does not train again."""
        logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
        with warnings.catch_warnings():
            # Lightning 2.6 asks torch 2.13 in a way that torch is about to drop
            warnings.filterwarnings("ignore", message=r".*LeafSpec.*", category=FutureWarning)
            # every login node has an srun
            warnings.filterwarnings("ignore", message=r"The `srun` command is available")
            # what a ModelCheckpoint keeps is the network after a step, as everywhere else
            warnings.filterwarnings("ignore", message=r"Using ModelCheckpoint with manual opt")
            unused = self.device.num_processes > 1 and self._has_unused_parameters()
            trainer = make_trainer(self.device, callbacks, loggers, folder, some_unused=unused)
            trainer.fit(module, blocks)

    def _has_unused_parameters(self) -> bool:
        """Whether the gradient of two examples leaves a trainable parameter out."""
        inputs, targets = self.splits.val.batch(slice(2))
        with evaluating(self.network), torch.enable_grad():
            self.loss(self.network(inputs), targets).backward()  # type: ignore[no-untyped-call]
        trainable = [p for p in self.network.parameters() if p.requires_grad]
        unused = any(parameter.grad is None for parameter in trainable)
        self.network.zero_grad()
        return unused

    def _outcome(
        self,
        module: LotteryModule,
        started: State,
        evaluator: Evaluator,
        keeper: StateKeeper,
        seconds: float,
        first_expected: FirstStep,
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
            measured=evaluator.measured(),
            history=evaluator.history,
            timing={
                "train_seconds": seconds,
                "steps_per_second": steps / seconds,
                "inference_ms": inference_ms(self.network, self.splits.val),
                "inference_csr_ms": inference_csr_ms(self.network, self.splits.val),
                "peak_memory_mb": peak_memory_mb(device),
            },
            first_seen=module.first_seen,
            first_expected=first_expected,
        )


def _named_masks(masks: Masks) -> Masks:
    return {f"mask of {name}": mask for name, mask in masks.items()}

"""The training of one round, from its start to its outcome."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from torch import nn

from lottery.data import Split, Splits
from lottery.distributed import from_main, gather, is_main, share
from lottery.dynamic import Moving
from lottery.masks import Masks
from lottery.measure.csr_latency import inference_csr_ms
from lottery.measure.evaluate import evaluating, inference_ms, measure_further, peak_memory_mb
from lottery.measure.own_metrics import Metric, measure_own
from lottery.models.state import Start, State, read_state, write_state
from lottery.progress import Display
from lottery.record.links import digest_of_run
from lottery.record.records import read_run_json
from lottery.record.run_dir import RunDir
from lottery.signals import Stopped, StopRequest
from lottery.tasks import Loss, Task
from lottery.tensors import Tensors, copy_to_cpu, digest
from lottery.training.blocks import Blocks, DataOrder
from lottery.training.checkpoint import Checkpointer
from lottery.training.cuda_graph import capture
from lottery.training.device import Device as Device
from lottery.training.device import fit_quietly
from lottery.training.early_bird import EarlyBird
from lottery.training.evaluation import EvaluationSchedule, Evaluator
from lottery.training.first_step import FirstStep, describe_step
from lottery.training.graphed import GraphFailed, Graphs
from lottery.training.learned_masks import LearnedMasks
from lottery.training.module import Diverged as Diverged
from lottery.training.module import LotteryModule, Optimization
from lottery.training.mover import Moved, Mover, es_from
from lottery.training.restarts import restarted
from lottery.training.rewind_state import StateKeeper
from lottery.training.stacked import Meeting

log = logging.getLogger(__name__)

OpenLoggers = Callable[[int, Masks], AbstractContextManager[list[Logger]]]  # of a round


@dataclass(frozen=True)
class Outcome:
    """What came out of a round's training."""

    started: State  # before the first step, under the masks
    es: State  # at the lowest validation loss
    final: State  # after the last step, with the optimizer's
    kept: State | None  # at the step asked for, with the optimizer's and the generators'
    es_step: int  # the step of `es` on the run's clock
    steps: int  # optimizer steps made
    measured: dict[str, float | None]  # `val`, `test`, ... at ES and at the last step
    history: list[dict[str, Any]]  # iteration, split, loss, score of each evaluation
    timing: dict[str, float | None]  # the columns of timing.csv
    first_seen: Mapping[str, Any]  # as the training used them
    first_expected: Mapping[str, Any]  # from the schedule and the data order
    moved: Moved | None = None  # of masks that move
    learned: Masks | None = None  # masks after the last step, where they are learned
    in_one_place: bool = True  # False: carried on where other last bits may come out


@dataclass(frozen=True)
class LightningFit:
    """Trains one round after the other."""

    network: nn.Module  # lives through all rounds; each writes its start's weights into it
    load_splits: Callable[[], Splits]  # in the device's memory, the same each time
    loss: Loss
    task: Task
    metrics: Mapping[str, Metric]  # of the user's
    optimization: Optimization
    data_order: DataOrder
    evaluation: EvaluationSchedule
    device: Device
    make_callbacks: Callable[[int], list[pl.Callback]]  # by the round's number
    open_loggers: OpenLoggers
    progress: Display
    run_dir: RunDir
    checkpoint_seconds: float | None  # None writes checkpoints only at a stop
    stop: StopRequest
    # Scores by round and masks; None trains weights.
    draw_scores: Callable[[int, Masks], Tensors] | None = None
    meeting: Meeting | None = None  # with other runs, to be trained as one
    made_by: str | None = None  # what the last bits depend on, for checkpoints

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
        moving: Moving | None = None,
    ) -> Outcome:
        """Train a round, from its checkpoint if there is one; `Stopped` if a signal asks for it.

        The masks are applied to the start, which may be dense. `moving` moves them.
        """
        if self.device.accelerator == "gpu":
            torch.cuda.reset_peak_memory_stats(self.device.torch_device)
        module = self._module(round_number, start, masks, moving)
        started = read_state(self.network)
        evaluator = Evaluator(
            splits=self.splits,
            loss=self.loss,
            task=self.task,
            schedule=self.evaluation,
            last_step=start.last_step,
            progress=self.progress,
            early_bird=early_bird,
            es_from=es_from(start, module, moving),
        )
        mover = Mover(moving, self.optimization) if moving else None
        keeper = StateKeeper(keep_step)
        named_masks = {f"mask of {name}": mask for name, mask in masks.items()}
        start_tensors = started.weights | started.buffers | named_masks
        others = self.make_callbacks(round_number)
        checkpointer = Checkpointer(
            path=self.run_dir.round(round_number).checkpoint,
            every_seconds=self.checkpoint_seconds,
            identity=from_main(self._run_digest) + digest(start_tensors),
            stop=self.stop,
            evaluator=evaluator,
            keeper=keeper,
            others=others,
            mover=mover,
            made_by=self.made_by,
        )
        self.data_order.seed_generators(round_number, start, self.device.torch_device)
        if checkpointer.load(module):
            log.info("round %d: carrying on from step %d", round_number, module.step)
        made = module.step - start.first_step
        self.progress.begin_round(round_number, steps=start.num_steps, made=made)
        blocks = Blocks(
            order=self.data_order.batches(round_number, self.splits.train),
            first=module.step,
            last=start.last_step,
            size=self.device.block,
            every=self.evaluation.every,
            ends=[*([] if keep_step is None else [keep_step]), *(moving.steps if moving else [])],
        )
        movers = [mover] if mover else []  # masks first: others look at what goes on from here
        callbacks = [*movers, evaluator, keeper, *others, checkpointer]
        with self.open_loggers(round_number, masks) as loggers:
            self._run(round_number, module, blocks, callbacks=callbacks, loggers=loggers)
        steps = module.step - start.first_step
        es, final = evaluator.es.state, read_state(self.network, module.trainer.optimizers[0])
        self.network.to(self.device.torch_device)  # Lightning has moved it to the CPU
        return Outcome(
            started=started,
            es=es,
            final=final,
            kept=keeper.state,
            es_step=evaluator.es.es_step,
            steps=steps,
            measured={**evaluator.measured(), **self._further(es, final)},
            history=evaluator.curves.entries,
            timing=self._timing(steps, checkpointer.seconds),
            first_seen=module.first_seen,
            first_expected=self._first_step(round_number, start),
            moved=mover.moved(module.step) if mover else None,
            learned=copy_to_cpu(module.learned.masks()) if module.learned else None,
            in_one_place=checkpointer.in_one_place,
        )

    def _run_digest(self) -> str:
        """Return what names the run in a checkpoint: "" where there is no run.json."""
        there = self.run_dir.run_json.exists()
        return f"{digest_of_run(read_run_json(self.run_dir))} " if there else ""

    def _module(
        self, round_number: int, start: Start, masks: Masks, moving: Moving | None
    ) -> LotteryModule:
        """Write the start's weights into the network, and make a module over it."""
        write_state(self.network, State(start.weights, start.buffers))
        learned, train = None, self.splits.train
        if self.draw_scores and round_number > 0:
            scores = self.draw_scores(round_number, masks)
            learned = LearnedMasks(self.network, masks, scores)
        optimization = self.optimization
        if moving:
            optimization = restarted(optimization, start, moving)
        return LotteryModule(
            network=self.network,
            train=train,
            loss=self.loss,
            task=self.task,
            masks=masks,
            start=start,
            optimization=optimization,
            batch_size=self.data_order.batch_size,
            draws=self.data_order.draws(round_number, train),
            stop=self.stop,
            learned=learned,
            train_together=partial(self.meeting.train, round_number) if self.meeting else None,
            graphs=self._graphs(train),
        )

    def _graphs(self, train: Split) -> Graphs | None:
        """Return how steps are captured; None makes them kernel by kernel."""
        required = self.device.graph is True
        if train.on_host and required:
            raise GraphFailed(
                "trainer.graph=true: the inputs are in the host's memory, from which a captured "
                "step takes none; accepted: auto, false, or trainer.data_on_gpu=true"
            )
        return Graphs(capture, required) if self.device.graph and not train.on_host else None

    def _run(
        self,
        round_number: int,
        module: LotteryModule,
        blocks: Blocks,
        *,
        callbacks: Sequence[pl.Callback],
        loggers: Sequence[Logger],
    ) -> None:
        try:
            fit_quietly(
                module,
                blocks,
                device=self.device,
                callbacks=callbacks,
                loggers=loggers,
                folder=self.run_dir.round(round_number).path,
                some_unused=self.device.num_processes > 1 and self._has_unused_parameters(),
            )
        except Diverged as error:
            hint = "a smaller optimizer.lr or an optimizer.clip_norm may help"
            raise Diverged(f"round {round_number}, {error}; {hint}") from error
        except Stopped as stop:
            raise Stopped(stop.signum, f"in round {round_number} {stop.where}") from None

    def _first_step(self, round_number: int, start: Start) -> FirstStep:
        """Return what the round's first step should be made with; rank 0 compares, for all."""
        if not is_main():
            return {}
        base_rate = self.optimization.optimizer(self.network).param_groups[0]["lr"]
        first, order = start.first_step, self.data_order.batches(round_number, self.splits.train)
        (rows,) = share(order.rows(first, first + 1), dim=1)
        factor = self.optimization.schedule_after(start.val_losses)(start.schedule_step)
        return describe_step(base_rate * factor, rows)

    def _has_unused_parameters(self) -> bool:
        """Return whether the loss of two examples gives a trainable parameter no gradient."""
        inputs, targets = self.splits.train.batch(slice(2))
        self.network.to(self.device.torch_device)  # Lightning moves it there later
        with evaluating(self.network), torch.enable_grad():
            self.loss(self.network(inputs), targets).backward()  # type: ignore[no-untyped-call]
        trainable = [p for p in self.network.parameters() if p.requires_grad]
        unused = any(parameter.grad is None for parameter in trainable)
        self.network.zero_grad()
        return unused

    def _further(self, es: State, final: State) -> dict[str, float | None]:
        """Return further metrics at ES; the network gets its last weights again."""
        write_state(self.network, es)
        metrics = measure_further(self.network, self.splits, self.task)
        own = measure_own(self.network, self.splits, self.metrics) if self.metrics else {}
        write_state(self.network, final)
        return {**metrics, **own}

    def _timing(self, steps: int, seconds: float) -> dict[str, float | None]:
        return {
            "train_seconds": seconds,
            "steps_per_second": steps / seconds,
            "inference_ms": self._inference_time(inference_ms),
            "inference_csr_ms": self._inference_time(inference_csr_ms),
            "peak_memory_mb": max(gather(peak_memory_mb(self.device.torch_device))),
        }

    def _inference_time(self, measure: Callable[[nn.Module, Split], float | None]) -> float | None:
        try:
            return measure(
                self.network, self.splits.val if len(self.splits.val) else self.splits.test
            )
        except Exception as error:  # noqa: BLE001  # no measurement may end a run
            line = f"{type(error).__name__}: {error}".splitlines()[0]
            log.warning("%s is not measured: %s", measure.__name__, line)
            return None

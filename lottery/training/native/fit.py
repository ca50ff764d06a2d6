"""The training of one round of a user's LightningModule, from its start to its outcome."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from lottery.distributed import from_main
from lottery.dynamic import Moving
from lottery.errors import LotteryError
from lottery.masks import Masks
from lottery.measure.evaluate import peak_memory_mb
from lottery.models.state import Start, State, read_state, write_state
from lottery.progress import Display
from lottery.record.links import digest_of_run
from lottery.record.records import read_run_json
from lottery.record.run_dir import RunDir
from lottery.seeds import derive_seed
from lottery.signals import Stopped, StopRequest
from lottery.tensors import digest
from lottery.training.device import Device, leave_signals, quiet
from lottery.training.early_bird import EarlyBird
from lottery.training.evaluation import EvaluationSchedule
from lottery.training.fit import OpenLoggers, Outcome
from lottery.training.module import Diverged
from lottery.training.native.checkpoint import RoundCheckpointer
from lottery.training.native.clock import clock
from lottery.training.native.evaluation import MetricWatcher
from lottery.training.native.loops import Loops
from lottery.training.native.masking import MaskKeeper
from lottery.training.native.metrics import MetricNames
from lottery.training.native.position import (
    OPTIMIZERS,
    PACKED,
    Checkpoint,
    pack,
    read_optimizers,
    unpack,
)
from lottery.training.native.seeding import Seeding, own_sampler_seed
from lottery.training.native.trainer import FIND_UNUSED, is_refusal, make_trainer

log = logging.getLogger(__name__)


class LightningRefused(LotteryError):
    """Lightning refuses to train a module as it is set up."""


@dataclass(frozen=True)
class NativeFit:
    """Trains one round after the other, each with a new module, new data and a new Trainer."""

    make_module: Callable[[], pl.LightningModule]  # the same each time
    make_datamodule: Callable[[int], pl.LightningDataModule | None]  # by the key of its order
    names: MetricNames
    evaluation: EvaluationSchedule
    order_seed: int
    split_seed: int  # of what the data draw while they are set up, the same in every round
    fixed_order: bool  # every round sees round 0's batches
    steps_per_epoch: int | None
    options: Mapping[str, Any]  # further arguments of Lightning's Trainer
    device: Device
    make_callbacks: Callable[[int], list[pl.Callback]]  # by the round's number
    open_loggers: OpenLoggers
    progress: Display
    run_dir: RunDir
    checkpoint_seconds: float | None  # None writes checkpoints only at a stop
    stop: StopRequest
    stores_optimizer: bool  # whether later rounds go on with the optimizers' state at the end

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

        The masks are applied to the start, which may be dense.
        """
        assert moving is None, "module_settings.py refuses masks that move"
        module = self.make_module()
        write_state(module, State(start.weights, start.buffers))
        keeper = MaskKeeper(module, masks)
        started = read_state(module)
        watcher = MetricWatcher(
            names=self.names,
            patience=self.evaluation.patience,
            last_step=start.last_step,
            progress=self.progress,
            early_bird=early_bird,
        )
        checkpointer = RoundCheckpointer(
            path=self.run_dir.round(round_number).checkpoint,
            every_seconds=self.checkpoint_seconds,
            identity=self._identity(started, masks),
            stop=self.stop,
            watcher=watcher,
            others=self.make_callbacks(round_number),
            keep_step=keep_step,
            start_optimizers=start.optimizer_state,
        )
        resumes = self._take_up(checkpointer, module, start)
        self.progress.begin_round(round_number, steps=start.num_steps)
        seeding = Seeding(derive_seed(self.order_seed, "training", self._key(round_number)))
        callbacks = [keeper, seeding, watcher, *checkpointer.others, checkpointer]
        with (
            quiet(),
            own_sampler_seed(),
            self.open_loggers(round_number, masks) as loggers,
        ):
            # In manual optimization, one loss of several seldom has a part in all weights.
            some_unused = not module.automatic_optimization
            loops = Loops(
                trainer=self._trainer(
                    round_number, start, callbacks, loggers=loggers, some_unused=some_unused
                ),
                module=module,
                datamodule=self.make_datamodule(self._key(round_number)),
                names=self.names,
                split_seed=self.split_seed,
            )
            with _errors_of(round_number):
                loops.fit(checkpointer.path if resumes else None)
            return self._finish(loops, checkpointer, start, started=started)

    def _take_up(
        self, checkpointer: RoundCheckpointer, module: pl.LightningModule, start: Start
    ) -> bool:
        """Take up the round's checkpoint, or begin at the kept position; False: at step 0."""
        position = _position(start)
        if not checkpointer.load() and position is not None:
            generators = start.generators if self.fixed_order else {}
            checkpointer.begin_at(position, module, generators)
            checkpointer.load()
        return from_main(checkpointer.path.exists)

    def _finish(
        self, loops: Loops, checkpointer: RoundCheckpointer, start: Start, *, started: State
    ) -> Outcome:
        """Test the module at the end and at ES, and return what has become of the round."""
        trainer, watcher = loops.trainer, checkpointer.watcher
        last_step = clock(trainer)
        steps = last_step - start.first_step
        optimizers = pack(read_optimizers(trainer.optimizers)) if self.stores_optimizer else {}
        if watcher.latest_step != last_step:  # another callback has stopped the training
            loops.validate()
        final = read_state(loops.module)
        seconds = checkpointer.seconds
        test = test_last = loops.test()
        if watcher.es_step != last_step:
            write_state(loops.module, watcher.es)
            test = loops.test()
        watcher.note_test(watcher.es_step, test)
        watcher.note_test(last_step, test_last)
        return Outcome(
            started=started,
            es=watcher.es,
            final=State(final.weights, final.buffers, optimizer=optimizers),
            kept=checkpointer.kept,
            es_step=watcher.es_step,
            steps=steps,
            measured=watcher.measured(test, test_last),
            history=watcher.history,
            timing=self._timing(steps, seconds),
            first_seen=checkpointer.first_seen,
            first_expected=_first_step(start),
        )

    def _identity(self, started: State, masks: Masks) -> str:
        """Return what names the run and the round's start in a checkpoint."""
        named_masks = {f"mask of {name}": mask for name, mask in masks.items()}
        run = ""
        if from_main(self.run_dir.run_json.exists):
            run = from_main(lambda: digest_of_run(read_run_json(self.run_dir)))
        return f"{run} {digest(started.weights | started.buffers | named_masks)}"

    def _key(self, round_number: int) -> int:
        return 0 if self.fixed_order else round_number

    def _trainer(
        self,
        round_number: int,
        start: Start,
        callbacks: Sequence[pl.Callback],
        *,
        loggers: Sequence[Logger],
        some_unused: bool,
    ) -> pl.Trainer:
        # Lightning warns of an interval that no epoch reaches.
        log_every = min(50, self.steps_per_epoch or 50)
        options = {"log_every_n_steps": log_every, **self.options}
        some_unused = bool(options.pop(FIND_UNUSED, some_unused))
        trainer = make_trainer(
            self.device,
            options,
            some_unused=some_unused,
            callbacks=callbacks,
            loggers=loggers,
            folder=self.run_dir.round(round_number).path,
            max_epochs=-(-start.last_step // (self.steps_per_epoch or 1)),
            val_check_interval=self.evaluation.every,
            check_val_every_n_epoch=None,  # counts batches across epochs
        )
        leave_signals(trainer)
        return trainer

    def _timing(self, steps: int, seconds: float) -> dict[str, float | None]:
        return {
            "train_seconds": seconds,
            "steps_per_second": steps / seconds,
            "inference_ms": None,
            "inference_csr_ms": None,
            "peak_memory_mb": peak_memory_mb(self.device.torch_device),
        }


@contextmanager
def _errors_of(round_number: int) -> Iterator[None]:
    """Tell in which round an error came; Lightning's refusals are one line."""
    try:
        yield
    except Diverged as error:
        raise Diverged(f"round {round_number}, {error}") from error
    except Stopped as stop:
        raise Stopped(stop.signum, f"in round {round_number} {stop.where}") from None
    except Exception as error:
        if not is_refusal(error):
            raise  # the user's own
        raise LightningRefused(f"round {round_number}: Lightning: {error}") from error


def _position(start: Start) -> Checkpoint | None:
    """Return the kept position that a round goes on from; None at step 0."""
    return unpack(start.generators) if PACKED in start.generators else None


def _first_step(start: Start) -> dict[str, Any]:
    """Return what a round's first batch must be trained with."""
    position = _position(start)
    expected: dict[str, Any] = {"first_step": start.first_step}
    if not start.optimizer_state:
        expected["first_optimizer_entries"] = 0
    if position is not None:
        states = position[OPTIMIZERS]
        expected["first_learning_rate"] = [s["param_groups"][0]["lr"] for s in states]
    return expected

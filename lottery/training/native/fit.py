"""The training of one round of a user's LightningModule, from its start to its outcome."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from lottery.distributed import from_main
from lottery.errors import LotteryError
from lottery.generators import seed_generators
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
from lottery.training.native.evaluation import Logged, MetricWatcher
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
    make_datamodule: Callable[[], pl.LightningDataModule | None]
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
    ) -> Outcome:
        """Train a round, from its checkpoint if there is one; `Stopped` if a signal asks for it.

        The masks are applied to the start, which may be dense.
        """
        module, datamodule = self.make_module(), self.make_datamodule()
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
        others = self.make_callbacks(round_number)
        checkpointer = RoundCheckpointer(
            path=self.run_dir.round(round_number).checkpoint,
            every_seconds=self.checkpoint_seconds,
            identity=self._identity(started, masks),
            stop=self.stop,
            watcher=watcher,
            others=others,
            keep_step=keep_step,
            start_optimizers=start.optimizer_state,
        )
        position = unpack(start.generators) if PACKED in start.generators else None
        if checkpointer.load():
            log.info("round %d: carrying on from its checkpoint", round_number)
        elif position is not None:
            generators = start.generators if self.fixed_order else {}
            checkpointer.begin_at(position, module, generators)
            checkpointer.load()
        self.progress.begin_round(round_number, steps=start.num_steps)
        seeding = Seeding(derive_seed(self.order_seed, "training", self._key(round_number)))
        callbacks = [keeper, seeding, watcher, *others, checkpointer]
        resumes = from_main(checkpointer.path.exists)
        with (
            quiet(),
            own_sampler_seed(),
            self.open_loggers(round_number, masks) as loggers,
        ):
            # In manual optimization, one loss of several seldom has a part in all weights.
            some_unused = not module.automatic_optimization
            trainer = self._trainer(
                round_number, start, callbacks, loggers=loggers, some_unused=some_unused
            )
            self._seed_setup()
            with _errors_of(round_number):
                path = checkpointer.path if resumes else None
                trainer.fit(module, datamodule=datamodule, ckpt_path=path, weights_only=True)
            steps = clock(trainer) - start.first_step
            optimizers = pack(read_optimizers(trainer.optimizers)) if self.stores_optimizer else {}
            if watcher.latest_step != clock(trainer):  # another callback has stopped the training
                self._seed_setup()
                trainer.validate(module, datamodule=datamodule, verbose=False)
            final = read_state(module)
            seconds = checkpointer.seconds
            test_last = self._test(trainer, module, datamodule)
            test = test_last
            if watcher.es_step != clock(trainer):
                write_state(module, watcher.es)
                test = self._test(trainer, module, datamodule)
        for step, logged in ((watcher.es_step, test), (clock(trainer), test_last)):
            entry = {"iteration": step, "split": "test", **watcher.test_entry(logged)}
            if entry not in watcher.history:
                watcher.history.append(entry)
        return Outcome(
            started=started,
            es=watcher.es,
            final=State(final.weights, final.buffers, optimizer=optimizers),
            kept=checkpointer.kept,
            es_step=watcher.es_step,
            steps=steps,
            measured=self._measured(watcher, test=test, test_last=test_last),
            history=watcher.history,
            timing=self._timing(steps, seconds),
            first_seen=checkpointer.first_seen,
            first_expected=_first_step(start, position),
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

    def _seed_setup(self) -> None:
        """Seed what the data draw in `setup`: the same split in every round, fit and test."""
        seed_generators(derive_seed(self.split_seed, "datamodule"))

    def _test(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        datamodule: pl.LightningDataModule | None,
    ) -> Logged:
        self._seed_setup()
        results = trainer.test(module, datamodule=datamodule, verbose=False)
        logged = {name: float(value) for result in results for name, value in result.items()}
        logged = from_main(lambda: logged)
        self.names.check_test(logged)
        return logged

    def _measured(
        self, watcher: MetricWatcher, *, test: Logged, test_last: Logged
    ) -> dict[str, float | None]:
        """Return the columns of results.csv: all metrics at ES, and the score at the last step."""
        names = self.names
        measured: dict[str, float | None] = {
            **watcher.at_es,
            **test,
            "val": watcher.at_es[names.val],
            "test": test[names.test],
            "val_last": watcher.latest[names.val],
            "test_last": test_last[names.test],
        }
        if names.lower_is_better:
            measured["val_loss"] = watcher.at_es[names.monitor]
        return measured

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


def _first_step(start: Start, position: Checkpoint | None) -> dict[str, Any]:
    """Return what a round's first batch must be trained with."""
    expected: dict[str, Any] = {"first_step": start.first_step}
    if not start.optimizer_state:
        expected["first_optimizer_entries"] = 0
    if position is not None:
        states = position[OPTIMIZERS]
        expected["first_learning_rate"] = [s["param_groups"][0]["lr"] for s in states]
    return expected

"""Evaluation along a round, and early stopping. A Lightning callback.

Lightning's own validation loop refuses intervals longer than an epoch, skips the last step and
counts from the rewind point. This callback evaluates at the end of blocks.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn

from lottery.data import Split, Splits
from lottery.measure.evaluate import Evaluation, evaluate
from lottery.progress import Display
from lottery.tasks import Loss, Task
from lottery.training.curves import Curves, TrainingSums, val_losses
from lottery.training.early_bird import EarlyBird
from lottery.training.es_point import EsPoint
from lottery.training.module import Diverged, LotteryModule


@dataclass(frozen=True)
class EvaluationSchedule:
    """When to evaluate, and when to stop."""

    every: int  # steps of the run's clock; the last step always has an evaluation
    test_curve: bool  # evaluate the test set every time, not only where the results need it
    patience: int | None  # evaluations without a new minimum after which to stop


@dataclass(kw_only=True, eq=False, repr=False)  # Lightning prints its callbacks' repr
class Evaluator(pl.Callback):
    """Evaluates at the multiples of `schedule.every` and at the last step.

    The test set is evaluated where the validation loss has a new minimum, and at the end. Nothing
    depends on its results. Without validation data ES is the last step.
    """

    splits: Splits  # on the network's device
    loss: Loss
    task: Task
    schedule: EvaluationSchedule
    last_step: int
    progress: Display
    early_bird: EarlyBird | None
    es_from: int = 0  # the first step that may be ES
    curves: Curves = field(init=False)
    es: EsPoint = field(init=False, default_factory=EsPoint)
    sums: TrainingSums = field(init=False, default_factory=TrainingSums)
    _at_last: dict[str, float | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.curves = Curves(self.task.score.metric)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log again what was logged before the checkpoint that the round goes on from."""
        self.curves.log_again(trainer)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
    ) -> None:
        """Evaluate where a block ends at an evaluation step."""
        assert isinstance(pl_module, LotteryModule)
        self.sums.add(outputs["losses"], outputs["sums"], batch.shape[1])
        step = pl_module.step
        if step % self.schedule.every == 0 or step == self.last_step:
            self._evaluate(trainer, pl_module, ends=step == self.last_step)
        self.progress.advance(len(outputs["losses"]), self.curves.latest_val_score)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Evaluate the end of a training that another callback has stopped."""
        assert isinstance(pl_module, LotteryModule)
        if not self._at_last:
            self._evaluate(trainer, pl_module, ends=True)

    def _evaluate(self, trainer: pl.Trainer, module: LotteryModule, *, ends: bool) -> None:
        step, network, known = module.step, module.network, len(self.curves.entries)
        if (training := self.sums.take(self.task)) is not None:
            loss, score = training
            self.curves.add(step, "train", loss=loss, score=score)
        val = self._measure_val(step, network)
        module.follow(val_losses(self.curves.entries))
        judged = val is not None and (ends or step >= self.es_from)
        minimum = val is not None and judged and self.es.is_new_minimum(val.loss)
        stop = judged and self.es.without_minimum == self.schedule.patience
        last = stop or ends
        if minimum or last or self.schedule.test_curve:
            test = self._measure(network, self.splits.test)
            self.curves.add(step, "test", loss=test.loss, score=test.score)
            if val is None:
                _check_finite(step, "test", test.loss)
            if minimum or (val is None and last):
                self.es.keep(step, network, val=val, test=test)
            if last:
                val_last = None if val is None else val.score
                self._at_last = {"val_last": val_last, "test_last": test.score}
        self.curves.log(trainer, step, self.curves.entries[known:])
        if self.early_bird:
            self.early_bird.look(step, network)
        if stop:
            trainer.should_stop = True

    def _measure_val(self, step: int, network: nn.Module) -> Evaluation | None:
        """Evaluate the validation split; None without one, after a look at the training loss."""
        if len(self.splits.val) == 0:
            for entry in self.curves.entries[-1:]:
                _check_finite(step, entry["split"], entry["loss"])
            return None
        val = self._measure(network, self.splits.val)
        _check_finite(step, "validation", val.loss)
        self.curves.add(step, "val", loss=val.loss, score=val.score)
        return val

    def _measure(self, network: nn.Module, split: Split) -> Evaluation:
        return evaluate(network, split, loss=self.loss, task=self.task)

    def measured(self) -> dict[str, float | None]:
        """Return `val`, `test` and `val_loss` at ES, and `val_last`, `test_last`.

        Without validation data `val` and `val_last` are None, and there is no `val_loss`.
        """
        return self.es.at_es | self._at_last

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: the curves and ES so far."""
        return {
            **self.curves.snapshot(),
            **self.es.snapshot(),
            "early_bird": self.early_bird.snapshot() if self.early_bird else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        self.curves.restore(state)
        self.es.restore(state)
        if self.early_bird:
            self.early_bird.restore(state["early_bird"])


def _check_finite(step: int, split: str, loss: float) -> None:
    if not math.isfinite(loss):
        raise Diverged(f"step {step}: the {split} loss is {loss}")

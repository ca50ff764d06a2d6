"""Evaluation along a round: the curves, the ES point, early stopping. A Lightning callback.

Lightning's own validation loop refuses intervals longer than an epoch, skips the last step and
counts from the rewind point; this one looks at the end of the blocks that end where it must.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from lottery.data import Splits
from lottery.measure.evaluate import Evaluation, Loss, class_averages, evaluate
from lottery.models.state import State, read_state
from lottery.training.early_bird import EarlyBird
from lottery.training.module import Diverged, LotteryModule
from lottery.training.train_metrics import TrainingSums


@dataclass(frozen=True)
class EvaluationSchedule:
    """When to look, and when to stop.

    Args:
        every: steps of the run's clock between evaluations; there is always one at the last step.
        test_curve: evaluate the test set every time, not only where the results need it.
        patience: evaluations without a new minimum after which to stop, or None.
    """

    every: int
    test_curve: bool
    patience: int | None


@dataclass
class Evaluator(pl.Callback):
    """Validates at the multiples of `evaluation.every` and at the last step.

    The test set is evaluated where the validation loss has a new minimum and at the end; nothing
    depends on what comes out.

    Args:
        splits: on the network's device.
        loss: mean loss of (logits, targets).
        evaluation: when to look.
        last_step: the round's last step on the run's clock.
        early_bird: looks at the network whenever it is evaluated, or None.
    """

    splits: Splits
    loss: Loss
    evaluation: EvaluationSchedule
    last_step: int
    early_bird: EarlyBird | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    es_step: int = -1
    es_state: State | None = None
    at_es: dict[str, float] = field(default_factory=dict)
    predicted_at_es: dict[str, Tensor] = field(default_factory=dict)
    at_last: dict[str, float] = field(default_factory=dict)
    sums: TrainingSums = field(default_factory=TrainingSums)
    latest_val_accuracy: float = math.nan

    def __post_init__(self) -> None:
        self._lowest = math.inf
        self._without_minimum = 0
        self._logged: list[tuple[int, dict[str, float]]] = []

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
    ) -> None:
        """Evaluate where a block ends at an evaluation point."""
        assert isinstance(pl_module, LotteryModule)
        self.sums.add(outputs["losses"], outputs["correct"], batch.shape[1])
        step = pl_module.step
        if step % self.evaluation.every == 0 or step == self.last_step:
            self._evaluate(trainer, pl_module, step, ends=step == self.last_step)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Evaluate the end where another callback has stopped the training."""
        assert isinstance(pl_module, LotteryModule)
        if not self.at_last:
            self._evaluate(trainer, pl_module, pl_module.step, ends=True)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log again what was logged before the checkpoint that the round goes on from."""
        for step, metrics in self._logged:
            self._send(trainer, step, metrics)

    def measured(self) -> dict[str, float]:
        """`val`, `test` and their class averages at ES, and `val_last`, `test_last`."""
        # only of the last minimum: they cost more than the evaluation
        averages: dict[str, float] = {}
        for prefix, name in (("val_", "val"), ("", "test")):
            targets = getattr(self.splits, name).targets
            predicted = self.predicted_at_es[name].to(targets.device)
            found = class_averages(predicted, targets, self.splits.num_classes)
            averages |= {f"{prefix}{score}": value for score, value in found.items()}
        return self.at_es | averages | self.at_last

    def snapshot(self) -> dict[str, Any]:
        """What a checkpoint keeps: the curves and the minimum so far."""
        es = self.es_state
        return {
            "history": self.history,
            "logged": self._logged,
            "es_step": self.es_step,
            "es_weights": es.weights if es else {},
            "es_buffers": es.buffers if es else {},
            "at_es": self.at_es,
            "predicted_at_es": self.predicted_at_es,
            "lowest": self._lowest,
            "without_minimum": self._without_minimum,
            "latest_val_accuracy": self.latest_val_accuracy,
            "early_bird": self.early_bird.snapshot() if self.early_bird else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        self.history = state["history"]
        self._logged = state["logged"]
        self.es_step = state["es_step"]
        if state["es_weights"]:
            self.es_state = State(state["es_weights"], state["es_buffers"])
        self.at_es = state["at_es"]
        self.predicted_at_es = state["predicted_at_es"]
        self._lowest = state["lowest"]
        self._without_minimum = state["without_minimum"]
        self.latest_val_accuracy = state["latest_val_accuracy"]
        if self.early_bird:
            self.early_bird.restore(state["early_bird"])

    def _evaluate(
        self, trainer: pl.Trainer, module: LotteryModule, step: int, *, ends: bool
    ) -> None:
        known = len(self.history)
        if (training := self.sums.take()) is not None:
            self._append(step, "train", *training)
        val = evaluate(module.network, self.splits.val, self.loss)
        if not math.isfinite(val.loss):
            raise Diverged(f"step {step}: the validation loss is {val.loss}")
        self.latest_val_accuracy = val.accuracy
        self._record(step, "val", val)
        minimum = val.loss < self._lowest
        self._without_minimum = 0 if minimum else self._without_minimum + 1
        stop = self._without_minimum == self.evaluation.patience
        last = stop or ends
        if minimum or last or self.evaluation.test_curve:
            test = evaluate(module.network, self.splits.test, self.loss)
            self._record(step, "test", test)
            if minimum:
                self._lowest = val.loss
                self._keep_es(module, step, val, test)
            if last:
                self.at_last = {"val_last": val.accuracy, "test_last": test.accuracy}
        self._log(trainer, step, self.history[known:])
        if self.early_bird:
            self.early_bird.look(step, module.network)
        if stop:
            trainer.should_stop = True

    def _log(self, trainer: pl.Trainer, step: int, entries: list[dict[str, Any]]) -> None:
        """Send new entries of the history, and the learning rate, to the loggers."""
        metrics = {"learning_rate": trainer.optimizers[0].param_groups[0]["lr"]}
        for entry in entries:
            for name in ("loss", "accuracy"):
                metrics[f"{name}/{entry['split']}"] = entry[name]
        self._logged.append((step, metrics))
        self._send(trainer, step, metrics)

    def _send(self, trainer: pl.Trainer, step: int, metrics: dict[str, float]) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step)

    def _keep_es(
        self, module: LotteryModule, step: int, val: Evaluation, test: Evaluation
    ) -> None:
        self.es_step = step
        self.es_state = read_state(module.network)
        self.at_es = {"val": val.accuracy, "test": test.accuracy, "val_loss": val.loss}
        self.predicted_at_es = {"val": val.predictions, "test": test.predictions}

    def _record(self, step: int, split: str, evaluation: Evaluation) -> None:
        self._append(step, split, evaluation.loss, evaluation.accuracy)

    def _append(self, step: int, split: str, loss: float, accuracy: float) -> None:
        if any(e["iteration"] == step and e["split"] == split for e in self.history[-3:]):
            return  # the end of a training that was stopped where it had just been evaluated
        self.history.append(
            {"iteration": step, "split": split, "loss": loss, "accuracy": accuracy}
        )

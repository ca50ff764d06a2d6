"""ES and the history of a round that Lightning trains, from what its validation logs."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch

from lottery.distributed import from_main
from lottery.models.state import State, read_state
from lottery.progress import Display
from lottery.training.early_bird import EarlyBird
from lottery.training.module import Diverged
from lottery.training.native.clock import clock
from lottery.training.native.metrics import Logged, MetricNames


@dataclass(kw_only=True, eq=False, repr=False)  # Lightning prints its callbacks' repr
class MetricWatcher(pl.Callback):
    """Notes every validation, keeps the module at the best one, and ends the round."""

    names: MetricNames
    patience: int | None  # validations without a better one after which to stop
    last_step: int
    progress: Display
    early_bird: EarlyBird | None
    history: list[dict[str, Any]] = field(init=False, default_factory=list)
    es_step: int = field(init=False, default=-1)
    es: State = field(init=False, default_factory=lambda: State({}, {}))
    at_es: Logged = field(init=False, default_factory=dict)
    latest: Logged = field(init=False, default_factory=dict)
    latest_step: int = field(init=False, default=-1)
    without_better: int = field(init=False, default=0)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Count the batch; stop after the last one, which Lightning then validates."""
        self.progress.advance(1, self.latest.get(self.names.val, math.nan))
        if clock(trainer) >= self.last_step:
            trainer.should_stop = True

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember what was logged before."""
        self._before = dict(trainer.callback_metrics)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note what the validation has logged; keep the module where it is the best so far."""
        step = clock(trainer)
        logged = from_main(lambda: self._new_metrics(trainer))
        self.names.check_validation(logged)
        value = logged[self.names.monitor]
        if not math.isfinite(value):
            raise Diverged(f"step {step}: {self.names.monitor} is {value}")
        self.latest, self.latest_step = logged, step
        self.history.append({"iteration": step, "split": "val", **self.history_entry(logged)})
        best = self.at_es.get(self.names.monitor)
        if self.names.is_better(value, best):
            with torch.inference_mode(mode=False):  # such tensors could not be trained later
                self.es = read_state(pl_module)
            self.es_step, self.at_es, self.without_better = step, logged, 0
        else:
            self.without_better += 1
        if self.early_bird:
            self.early_bird.look(step, pl_module)
        if self.without_better == self.patience:
            trainer.should_stop = True

    def history_entry(self, logged: Logged) -> Logged:
        """Return the metrics of a validation, with `loss` if a loss decides about ES."""
        names = self.names
        loss = {"loss": logged[names.monitor]} if names.lower_is_better else {}
        score = {names.score: logged[names.val]} if names.score else {}
        known = (names.val, names.monitor) if names.score else ()
        return loss | score | {name: v for name, v in logged.items() if name not in known}

    def note_test(self, step: int, logged: Logged) -> None:
        """Note a test once."""
        entry = {"iteration": step, "split": "test", **self._test_entry(logged)}
        if entry not in self.history:
            self.history.append(entry)

    def _test_entry(self, logged: Logged) -> Logged:
        """Return the metrics of a test, the score under the name that it has in validation."""
        names = self.names
        score = {names.score or names.val: logged[names.test]}
        known = (names.test,) if names.score else ()
        return score | {name: v for name, v in logged.items() if name not in known}

    def measured(self, test: Logged, test_last: Logged) -> dict[str, float | None]:
        """Return the columns of results.csv: all metrics at ES, and the score at the last step."""
        measured: dict[str, float | None] = {
            **self.at_es,
            **test,
            "val": self.at_es[self.names.val],
            "test": test[self.names.test],
            "val_last": self.latest[self.names.val],
            "test_last": test_last[self.names.test],
        }
        if self.names.lower_is_better:
            measured["val_loss"] = self.at_es[self.names.monitor]
        return measured

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "history": self.history,
            "es_step": self.es_step,
            "es_weights": self.es.weights,
            "es_buffers": self.es.buffers,
            "at_es": self.at_es,
            "latest": self.latest,
            "latest_step": self.latest_step,
            "without_better": self.without_better,
            "early_bird": self.early_bird.snapshot() if self.early_bird else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        self.es = State(state["es_weights"], state["es_buffers"])
        for name in ("history", "es_step", "at_es", "latest", "latest_step", "without_better"):
            setattr(self, name, state[name])
        if self.early_bird:
            self.early_bird.restore(state["early_bird"])

    def _new_metrics(self, trainer: pl.Trainer) -> Logged:
        """Return what this validation has logged: Lightning keeps older metrics beside it."""
        return {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if value is not self._before.get(name)
        }

"""Loss and score along a round: the rows of history.csv, and what the loggers get."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lottery.distributed import is_main, num_ranks, rank, sum_over_ranks
from lottery.tasks import Task

Entry = dict[str, Any]  # iteration, split, loss, and the score by the name of its metric


class Curves:
    """Loss and score of each split at each evaluation, sent to Lightning's loggers."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.entries: list[Entry] = []
        self._logged: list[tuple[int, dict[str, float]]] = []

    @property
    def latest_val_score(self) -> float:
        """The validation score at the latest evaluation; nan before the first."""
        found = (entry[self.metric] for entry in reversed(self.entries) if entry["split"] == "val")
        return next(found, math.nan)

    def add(self, step: int, split: str, loss: float, score: float) -> None:
        """Add a point; a second point of one split at one step changes nothing."""
        # A training may be stopped at a step that has just been evaluated.
        if not any(e["iteration"] == step and e["split"] == split for e in self.entries[-3:]):
            entry = {"iteration": step, "split": split, "loss": loss, self.metric: score}
            self.entries.append(entry)

    def log(self, trainer: pl.Trainer, step: int, entries: Sequence[Entry]) -> None:
        """Send new entries and the learning rate to the loggers."""
        metrics = {"learning_rate": trainer.optimizers[0].param_groups[0]["lr"]}
        for entry in entries:
            for name in ("loss", self.metric):
                metrics[f"{name}/{entry['split']}"] = entry[name]
        self._logged.append((step, metrics))
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step)

    def log_again(self, trainer: pl.Trainer) -> None:
        """Send to new loggers what was logged before the checkpoint."""
        for step, metrics in self._logged:
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step)

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"history": self.entries, "logged": self._logged}

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        self.entries = state["history"]
        self._logged = state["logged"]


def val_losses(entries: Iterable[Mapping[str, Any]]) -> list[float]:
    """Return the validation losses of a history, in the order of the evaluations."""
    return [entry["loss"] for entry in entries if entry["split"] == "val"]


class TrainingSums:
    """Collects every step's loss and the task's sums between two evaluations.

    They are added up once, at the evaluation: sums per block would make the last digit depend on
    where blocks end.
    """

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._sums: list[Tensor] = []
        self._examples = 0

    def add(self, losses: Tensor, sums: Tensor, batch_size: int) -> None:
        """Note some steps: the mean loss of each, (steps,), and the task's sums, (steps, k)."""
        self._losses.append(losses.double() * batch_size)
        self._sums.append(sums)
        self._examples += len(losses) * batch_size

    def take(self, task: Task) -> tuple[float, float] | None:
        """Return mean loss and score of all ranks, and begin again; None without a step."""
        if not self._losses:
            return None
        loss, sums = torch.cat(self._losses).sum(), torch.cat(self._sums).double().sum(0)
        here = torch.cat([loss[None], sums]).cpu()  # the host waits for the device once
        total = sum_over_ranks(torch.cat([here, torch.tensor([self._examples])]))
        self._losses, self._sums, self._examples = [], [], 0
        mean_loss = float(total[0] / total[-1])
        return mean_loss, task.score_of(total[1:-1], mean_loss, int(total[-1]))

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of this rank."""
        if not self._losses:
            return {}
        losses, sums = torch.cat(self._losses), torch.cat(self._sums)
        return {"losses": losses.cpu(), "sums": sums.cpu(), "examples": self._examples}

    def restore(self, states: Sequence[dict[str, Any]], device: torch.device) -> None:
        """Put back what a checkpoint kept; if the number of ranks has changed, all on rank 0."""
        ours = [states[rank()]] if len(states) == num_ranks() else states if is_main() else []
        for state in filter(None, ours):
            self._losses.append(state["losses"].to(device))
            # checkpoints of version 0.1 have the number of correct examples of each step
            sums = state["sums"] if "sums" in state else state["correct"][:, None]
            self._sums.append(sums.to(device))
            self._examples += state["examples"]

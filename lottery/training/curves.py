"""Loss and accuracy along a round: the rows of history.csv, and what the loggers get."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lottery.distributed import is_main, num_ranks, rank, sum_over_ranks

Entry = dict[str, Any]  # iteration, split, loss, accuracy


class Curves:
    """Loss and accuracy of each split at each evaluation, sent to Lightning's loggers."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._logged: list[tuple[int, dict[str, float]]] = []

    @property
    def latest_val_accuracy(self) -> float:
        """The validation accuracy at the latest evaluation; nan before the first."""
        found = (entry["accuracy"] for entry in reversed(self.entries) if entry["split"] == "val")
        return next(found, math.nan)

    def add(self, step: int, split: str, loss: float, accuracy: float) -> None:
        """Add a point; a second point of one split at one step changes nothing."""
        # A training may be stopped at a step that has just been evaluated.
        if not any(e["iteration"] == step and e["split"] == split for e in self.entries[-3:]):
            entry = {"iteration": step, "split": split, "loss": loss, "accuracy": accuracy}
            self.entries.append(entry)

    def log(self, trainer: pl.Trainer, step: int, entries: Sequence[Entry]) -> None:
        """Send new entries and the learning rate to the loggers."""
        metrics = {"learning_rate": trainer.optimizers[0].param_groups[0]["lr"]}
        for entry in entries:
            for name in ("loss", "accuracy"):
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
    """Collects every step's loss and correct examples between two evaluations.

    They are added up once, at the evaluation: sums per block would make the last digit depend on
    where blocks end.
    """

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._correct: list[Tensor] = []
        self._examples = 0

    def add(self, losses: Tensor, correct: Tensor, batch_size: int) -> None:
        """Note some steps: mean loss and number of correct examples of each, both (steps,)."""
        self._losses.append(losses.double() * batch_size)
        self._correct.append(correct)
        self._examples += len(losses) * batch_size

    def take(self) -> tuple[float, float] | None:
        """Return mean loss and accuracy of all ranks, and begin again; None without a step."""
        if not self._losses:
            return None
        loss, correct = torch.cat(self._losses).sum(), torch.cat(self._correct).sum()
        here = torch.stack([loss.cpu(), correct.cpu(), torch.tensor(self._examples)]).double()
        total = sum_over_ranks(here)
        self._losses, self._correct, self._examples = [], [], 0
        return float(total[0] / total[2]), float(total[1] / total[2])

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of this rank."""
        if not self._losses:
            return {}
        losses, correct = torch.cat(self._losses), torch.cat(self._correct)
        return {"losses": losses.cpu(), "correct": correct.cpu(), "examples": self._examples}

    def restore(self, states: Sequence[dict[str, Any]], device: torch.device) -> None:
        """Put back what a checkpoint kept; if the number of ranks has changed, all on rank 0."""
        ours = [states[rank()]] if len(states) == num_ranks() else states if is_main() else []
        for state in filter(None, ours):
            self._losses.append(state["losses"].to(device))
            self._correct.append(state["correct"].to(device))
            self._examples += state["examples"]

"""Training loss and accuracy between two evaluations."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lottery.distributed import is_main, num_ranks, rank, sum_over_ranks


class TrainingSums:
    """Collects every step's loss and correct examples; added up once, at the evaluation.

    Added up block by block the last digit would depend on where blocks end.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._losses: list[Tensor] = []
        self._correct: list[Tensor] = []
        self._examples = 0

    def add(self, losses: Tensor, correct: Tensor, batch_size: int) -> None:
        """Note some steps.

        Args:
            losses: mean loss of each step's batch, (steps,).
            correct: number of examples each got right, (steps,).
            batch_size: examples of a batch, on this rank.
        """
        self._losses.append(losses.double() * batch_size)
        self._correct.append(correct)
        self._examples += len(losses) * batch_size

    def take(self) -> tuple[float, float] | None:
        """Mean loss and accuracy of all ranks since the last time; None if no step was made."""
        if not self._losses:
            return None
        loss, correct = torch.cat(self._losses).sum(), torch.cat(self._correct).sum()
        here = torch.stack([loss.cpu(), correct.cpu(), torch.tensor(self._examples)]).double()
        total = sum_over_ranks(here)
        self._clear()
        return float(total[0] / total[2]), float(total[1] / total[2])

    def snapshot(self) -> dict[str, Any]:
        """What a checkpoint keeps of this rank."""
        if not self._losses:
            return {}
        losses, correct = torch.cat(self._losses), torch.cat(self._correct)
        return {"losses": losses.cpu(), "correct": correct.cpu(), "examples": self._examples}

    def restore(self, states: Sequence[dict[str, Any]], device: torch.device) -> None:
        """Put back what a checkpoint kept of each rank; of another number of ranks, all on one."""
        ours = [states[rank()]] if len(states) == num_ranks() else states if is_main() else []
        for state in filter(None, ours):
            self._losses.append(state["losses"].to(device))
            self._correct.append(state["correct"].to(device))
            self._examples += state["examples"]

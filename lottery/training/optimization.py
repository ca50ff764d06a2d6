"""How a step moves the weights."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from lottery.training.schedules import Schedule

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


@dataclass(frozen=True)
class Optimization:
    """How a step moves the weights."""

    make_optimizer: MakeOptimizer  # it has the learning rate
    schedule: Schedule
    clip_norm: float | None = None  # largest gradient norm over the weights that are left

    def schedule_after(self, val_losses: Sequence[float]) -> Schedule:
        """Return the schedule up to the next evaluation, after the losses of those before it."""
        own: Any = getattr(self.schedule, "after", None)
        return self.schedule if own is None else own(val_losses)

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Make a new optimizer over the trainable parameters of a network."""
        return self.make_optimizer([p for p in network.parameters() if p.requires_grad])

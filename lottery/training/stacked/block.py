"""What a run brings to a meeting: the block of steps that it makes next; and what it gets back."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn
from torch.optim import Optimizer

from lottery.data import Split
from lottery.tasks import Loss


@dataclass(frozen=True, kw_only=True)
class NextBlock:
    """The next block of a run, and what trains in it. The network is in training mode."""

    network: nn.Module
    optimizer: Optimizer
    pruned: Sequence[Tensor]  # weights that have masks
    factors: Sequence[Tensor]  # their masks
    clip_norm: float | None
    split: Split  # of training
    loss: Loss
    rows: Tensor  # examples, (steps, batch)
    drawn: Tensor | None  # numbers for their augmentation, (steps, batch, ...)
    rates: Sequence[Sequence[float]]  # the learning rates of each step, by group of parameters
    made: int  # steps of this round so far
    restored: int | None  # steps that the optimizer's state counted then; None: it was fresh
    keeps_outputs: bool

    @cached_property
    def weights(self) -> dict[str, nn.Parameter]:
        """The network's parameters by name."""
        return dict(self.network.named_parameters())

    @property
    def kind(self) -> Hashable:
        """What must be equal in blocks that are made as one."""
        groups = [
            {name: value for name, value in group.items() if name not in ("params", "lr")}
            for group in self.optimizer.param_groups
        ]
        pruned = {id(weight): place for place, weight in enumerate(self.pruned)}
        shapes = [(n, tuple(w.shape), pruned.get(id(w))) for n, w in self.weights.items()]
        numbers = (self.made, self.restored, tuple(self.rows.shape), self.clip_norm)
        return (repr((type(self.optimizer), groups, shapes)), repr(self.rates), numbers)


@dataclass(frozen=True)
class Made:
    """What came out of a block, for one run."""

    losses: Tensor  # of each step made, (steps,)
    outputs: Sequence[Tensor]  # of each step made; none if they are not kept


# Makes a block of steps together with other runs; None leaves it to this run.
TrainTogether = Callable[[NextBlock], Made | None]

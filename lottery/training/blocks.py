"""The batches of a round: drawn by seeds, and handed to Lightning in blocks of steps."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lottery.data import BatchOrder, Draws, Split
from lottery.distributed import rank, share
from lottery.generators import seed_generators
from lottery.models.state import Start
from lottery.seeds import derive_seed
from lottery.training.rewind_state import write_own_generators


@dataclass(frozen=True)
class DataOrder:
    """Which examples each step of a round sees, and how they are augmented."""

    batch_size: int  # of all processes together
    seed: int
    augmentation_seed: int
    fixed: bool  # every round sees round 0's batches, augmented in the same way

    def batches(self, round_number: int, train: Split) -> BatchOrder:
        """Return the order of the training examples in a round."""
        return BatchOrder(
            num_examples=len(train),
            batch_size=self.batch_size,
            seed=self.seed,
            key=self._key(round_number),
        )

    def draws(self, round_number: int, train: Split) -> Draws | None:
        """Return the random numbers of the training split's augmentation in a round."""
        if train.augmentation is None:
            return None
        return Draws(
            augmentation=train.augmentation,
            batch_size=self.batch_size,
            seed=self.augmentation_seed,
            key=self._key(round_number),
        )

    def seed_generators(self, round_number: int, start: Start, device: torch.device) -> None:
        """Seed the global generators, which dropout and users' networks draw from."""
        purpose: list[str | int] = ["training", self._key(round_number)]
        if rank() > 0:
            purpose.append(rank())
        seed_generators(derive_seed(self.seed, *purpose))
        if self.fixed:
            write_own_generators(start.generators, device)

    def _key(self, round_number: int) -> int:
        return 0 if self.fixed else round_number


@dataclass(frozen=True)
class Blocks:
    """A loader whose batch is a block of consecutive optimizer steps.

    A block holds example indices, (steps, batch): one row per step. Lightning costs some 0.5 ms
    per batch of its loader, and a LeNet step 1 ms. A block ends early at evaluations, at the step
    whose state is stored, where masks move, and at the last step. Each process gets its share of
    every batch.

    Example:
        >>> order = BatchOrder(num_examples=4, batch_size=2, seed=0, key=0)
        >>> blocks = Blocks(order, first=0, last=9, size=3, every=5, ends=[7])
        >>> list(blocks.edges())
        [(0, 3), (3, 5), (5, 7), (7, 9)]
    """

    order: BatchOrder
    first: int  # steps that are made already
    last: int
    size: int  # most steps per block
    every: int  # steps between evaluations
    ends: Sequence[int] = ()  # further steps at which a block ends

    def edges(self) -> Iterator[tuple[int, int]]:
        """Yield each block's steps: from after the first number up to the second."""
        step, ends = self.first, sorted(self.ends)
        while step < self.last:
            stop = min(self.last, step + self.size, (step // self.every + 1) * self.every)
            stop = min([stop, *ends[(later := bisect_right(ends, step)) : later + 1]])
            yield step, stop
            step = stop

    @cached_property
    def _count(self) -> int:
        return sum(1 for _ in self.edges())

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Tensor]:
        for first, stop in self.edges():
            yield share(self.order.rows(first, stop), dim=1)

"""The loader of a round: Lightning's batch is a block of consecutive optimizer steps."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from lottery.data import BatchOrder
from lottery.distributed import share


@dataclass(frozen=True)
class Blocks:
    """Blocks of example indices, (steps, batch): one row per optimizer step.

    A block ends early where somebody has to look: at evaluations, at the step whose state is
    stored, at the last step. Lightning costs some 0.5 ms per batch, a LeNet step 1 ms.

    With several processes each gets its share of every batch.

    Args:
        order: the data order.
        first: steps already made.
        last: step to end after.
        size: most steps per block.
        every: evaluation interval.
        keep: a step to stop at, or None.

    Example:
        >>> order = BatchOrder(num_examples=4, batch_size=2, seed=0, key=0)
        >>> Blocks(order, first=0, last=7, size=3, every=5, keep=None).edges()
        [(0, 3), (3, 5), (5, 7)]
    """

    order: BatchOrder
    first: int
    last: int
    size: int
    every: int
    keep: int | None

    def edges(self) -> list[tuple[int, int]]:
        """Each block's steps: from after the first number up to the second."""
        edges = []
        step = self.first
        while step < self.last:
            stops = [self.last, step + self.size, (step // self.every + 1) * self.every]
            if self.keep is not None and self.keep > step:
                stops.append(self.keep)
            edges.append((step, min(stops)))
            step = min(stops)
        return edges

    def __len__(self) -> int:
        return len(self.edges())

    def __iter__(self) -> Iterator[Tensor]:
        for first, stop in self.edges():
            yield share(self.order.rows(first, stop), dim=1)

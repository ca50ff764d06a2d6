"""The order of the training examples: a function of (seed, order key, step), so never replayed."""

import torch
from torch import Tensor

from lottery.seeds import derive_seed


class BatchOrder:
    """The examples in the batch of each step.

    An epoch is floor(num_examples / batch_size) steps over a new shuffle; the remaining examples
    wait for the next shuffle. Steps count from the initial weights, so a round that is rewound to
    step k begins with the batch after step k. The key is the round, or one number for all rounds
    if every round sees the same batches.

    Example:
        >>> order = BatchOrder(num_examples=10, batch_size=4, seed=0, key=0)
        >>> order.steps_per_epoch
        2
        >>> bool((order.rows(1, 4) == order.rows(0, 4)[1:]).all())
        True
    """

    def __init__(self, num_examples: int, batch_size: int, seed: int, key: int) -> None:
        if not 1 <= batch_size <= num_examples:
            raise ValueError(f"batch_size={batch_size}: 1 to {num_examples}, the training set")
        self.num_examples = num_examples
        self.batch_size = batch_size
        self.seed = seed
        self.key = key
        self.steps_per_epoch = num_examples // batch_size
        self._shuffled: tuple[int, Tensor] | None = None

    def rows(self, first: int, stop: int) -> Tensor:
        """Return the example indices of steps `first` + 1 ... `stop`, (stop - first, batch)."""
        batches = [self._batch(step) for step in range(first, stop)]
        return torch.stack(batches)

    def _batch(self, step: int) -> Tensor:
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.batch_size
        return self._shuffle(epoch)[start : start + self.batch_size]

    def _shuffle(self, epoch: int) -> Tensor:
        if self._shuffled is None or self._shuffled[0] != epoch:
            seed = derive_seed(self.seed, self.key, epoch)
            generator = torch.Generator().manual_seed(seed)
            self._shuffled = (epoch, torch.randperm(self.num_examples, generator=generator))
        return self._shuffled[1]

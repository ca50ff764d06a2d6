"""What a task is: the class that `task._target_` names."""

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor

from lottery.data import Splits
from lottery.record.score import Score

Loss = Callable[[Tensor, Tensor], Tensor]  # of outputs and targets: the mean over the examples


class Task(Protocol):
    """What a network is trained for.

    Outputs are what the network returns for a batch, (batch, *output_shape), and targets are those
    of the batch. A task keeps nothing between calls.
    """

    @property
    def score(self) -> Score:
        """The metric of the columns `val` and `test`."""
        ...

    @property
    def needs_outputs(self) -> bool:
        """Whether the score needs outputs; False if the mean loss is enough."""
        ...

    def prepare(self, splits: Splits) -> Splits:
        """Return the splits with targets as the loss takes them.

        Raises:
            DataError: the targets are of another kind; the message names the split.
        """
        ...

    def output_shape(self, splits: Splits) -> tuple[int, ...]:
        """Return the shape of the outputs for one example.

        The last number is given to the network as `num_classes`.
        """
        ...

    def losses(self, splits: Splits) -> Mapping[str, Loss]:
        """Return the losses that `model.loss` may name."""
        ...

    def parts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return numbers for each example whose sums make the score, (batch, k)."""
        ...

    def score_of(self, sums: Tensor, loss: float, examples: int) -> float:
        """Return the score by the sums of `parts` over examples, (k,), and by their mean loss."""
        ...

    def details(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return numbers for each example that the further metrics are made of, (batch, n)."""
        ...

    def further(self, details: Tensor, targets: Tensor, splits: Splits) -> dict[str, float]:
        """Return further metrics by details and targets of all examples of a split, on the CPU."""
        ...

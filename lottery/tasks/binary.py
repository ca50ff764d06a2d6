"""Two classes, by one logit or by two."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from lottery.data import DataError, Splits
from lottery.tasks.classes import ClassTask, check_class_numbers
from lottery.tasks.interface import Loss


def binary_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss of targets 0 and 1 from logits (batch, 1) for class 1."""
    (logit,) = outputs.unbind(1)
    return nn.functional.binary_cross_entropy_with_logits(logit, targets.to(logit.dtype))


@dataclass(frozen=True)
class Binary(ClassTask):
    """Class 0 or 1; the score is the accuracy.

    Further metrics are F1, precision and recall of class 1, and the expected calibration error.

    Args:
        outputs: 1, a logit of class 1, which is predicted above 0; or 2, a logit for each class.
    """

    outputs: int = 1

    def __post_init__(self) -> None:
        if self.outputs not in (1, 2) or isinstance(self.outputs, bool):
            raise ValueError(f"outputs={self.outputs}: 1 or 2")

    def prepare(self, splits: Splits) -> Splits:
        """Return the splits if each target is class 0 or 1."""
        if splits.num_classes != 2:
            raise DataError(
                f"it has {splits.num_classes} classes; model.loss=binary_cross_entropy is for two"
            )
        check_class_numbers(splits)
        return splits

    def output_shape(self, splits: Splits) -> tuple[int, ...]:
        """Return (1,) or (2,)."""
        return (self.outputs,)

    def losses(self, splits: Splits) -> Mapping[str, Loss]:
        """Return `binary_cross_entropy` of one logit, `cross_entropy` of two."""
        if self.outputs == 1:
            return {"binary_cross_entropy": binary_cross_entropy}
        return {"cross_entropy": nn.functional.cross_entropy}

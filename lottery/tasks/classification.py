"""One class of several for each example: the task of most lottery-ticket papers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lottery.data import DataError, Splits
from lottery.tasks.classes import ClassTask, check_class_numbers, count_classes
from lottery.tasks.interface import Loss


@dataclass(frozen=True)
class Classification(ClassTask):
    """One logit for each class; the score is the accuracy.

    Further metrics are F1, precision and recall (means over the classes; of two classes those of
    class 1), the expected calibration error `ece`, and `top5` where there are more than 10
    classes: the share of examples whose class is among the five with the highest logits.

    Args:
        label_smoothing: share of each target that is spread over all classes (Szegedy et al.
            2016); the validation loss, which decides ES, has it too.
        class_weights: a factor of the loss for each class; "balanced" is examples / (classes *
            examples of the class), over the training split; None: 1 for each.
    """

    label_smoothing: float = 0
    class_weights: Sequence[float] | str | None = None

    def __post_init__(self) -> None:
        share, weights = self.label_smoothing, self.class_weights
        if not _is_number(share) or not 0 <= share < 1:
            raise ValueError(f"label_smoothing={share}: a number >= 0 and below 1")
        if weights is None or weights == "balanced":
            return
        numbers: Any = weights if isinstance(weights, list | tuple) else [None]
        if not all(_is_number(number) and 0 < number < math.inf for number in numbers):
            raise ValueError(f"class_weights={weights}: a list of numbers above 0, or balanced")

    @property
    def has_options(self) -> bool:
        """Whether the loss is another one than plain cross entropy."""
        return bool(self.label_smoothing) or self.class_weights is not None

    def prepare(self, splits: Splits) -> Splits:
        """Return the splits if each target is one class number."""
        check_class_numbers(splits)
        weights, number = self.class_weights, splits.num_classes
        if isinstance(weights, list | tuple) and len(weights) != number:
            raise DataError(f"it has {number} classes, and task.class_weights {len(weights)}")
        return splits

    def output_shape(self, splits: Splits) -> tuple[int, ...]:
        """Return (classes,)."""
        return (count_classes(splits),)

    def losses(self, splits: Splits) -> Mapping[str, Loss]:
        """Return `cross_entropy`, and without options `multi_margin_loss`."""
        if self.class_weights is not None:
            weights = _class_weights(self.class_weights, splits)
            return {"cross_entropy": WeightedCrossEntropy(weights, self.label_smoothing)}
        if self.label_smoothing:
            smooth = partial(nn.functional.cross_entropy, label_smoothing=self.label_smoothing)
            return {"cross_entropy": smooth}
        return {
            "cross_entropy": nn.functional.cross_entropy,
            "multi_margin_loss": nn.functional.multi_margin_loss,
        }


class WeightedCrossEntropy(nn.Module):
    """The mean of weight * cross entropy over examples, by the weight of an example's class.

    torch's own divides by the sum of a batch's weights, so that a mean over batches would not be
    the mean over examples.
    """

    def __init__(self, weights: Tensor, label_smoothing: float) -> None:
        super().__init__()
        self.weights: Tensor
        self.register_buffer("weights", weights)
        self.label_smoothing = label_smoothing

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits (batch, classes) and class numbers (batch,)."""
        losses = nn.functional.cross_entropy(
            outputs, targets, reduction="none", label_smoothing=self.label_smoothing
        )
        return (self.weights[targets] * losses).mean()


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _class_weights(weights: Sequence[float] | str, splits: Splits) -> Tensor:
    if not isinstance(weights, str):
        return torch.tensor(weights, dtype=torch.float32)
    counts = torch.bincount(splits.train.targets, minlength=count_classes(splits))
    if not counts.all():
        missing = int((counts == 0).nonzero()[0])
        raise ValueError(f"class_weights=balanced: no training example is of class {missing}")
    return counts.sum() / (len(counts) * counts)

"""What tasks with one class for each example have in common."""

from typing import ClassVar

import torch
from torch import Tensor

from lottery.data import DataError, Splits
from lottery.record.score import ACCURACY, Score
from lottery.tasks.class_averages import class_averages

BINS = 15  # of equal width, as in Guo et al. 2017
TOP = 5
TOP_ABOVE = 10  # classes; with fewer, the best 5 say little


def check_class_numbers(splits: Splits) -> None:
    """Check that each target is one class number."""
    number = splits.num_classes
    if number is None:
        raise DataError("it has no number of classes (num_classes)")
    for name, split in splits.by_name().items():
        targets = split.targets
        if targets.dim() > 1:
            raise DataError(
                f"the {name} split has {targets[0].numel()} targets for each example: one expected"
            )
        if targets.dtype != torch.long:
            raise DataError(
                f"the {name} split's targets are {targets.dtype}: class numbers in torch.long "
                "expected"
            )
        if int(targets.min()) < 0 or int(targets.max()) >= number:
            raise DataError(f"the {name} split has a target outside 0 to {number - 1}")


def count_classes(splits: Splits) -> int:
    """Return the number of classes of splits that were checked."""
    assert splits.num_classes is not None
    return int(splits.num_classes)


def predict(outputs: Tensor) -> Tensor:
    """Return the class with the highest logit; of a single logit, class 1 if it is above 0.

    Example:
        >>> predict(torch.tensor([[0.1, 0.3], [2.0, -1.0]])).tolist()
        [1, 0]
        >>> predict(torch.tensor([[0.1], [-2.0]])).tolist()
        [1, 0]
    """
    return (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(1)


class ClassTask:
    """The score and the further metrics of a task with one class for each example."""

    score: ClassVar[Score] = ACCURACY
    needs_outputs: ClassVar[bool] = True

    def parts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return whether each example is classified correctly, (batch, 1)."""
        return (predict(outputs) == targets)[:, None]

    def score_of(self, sums: Tensor, loss: float, examples: int) -> float:
        """Return the accuracy as a fraction."""
        return float(sums[0]) / examples

    def details(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the predicted class, its probability, and whether the best 5 are right."""
        predicted = predict(outputs)
        if outputs.shape[1] == 1:
            probability = torch.sigmoid(outputs[:, 0].abs())
        else:
            probability = outputs.softmax(1).amax(1)
        columns = [predicted.double(), probability.double()]
        if outputs.shape[1] > TOP_ABOVE:
            best = outputs.topk(TOP, dim=1).indices
            columns.append((best == targets[:, None]).any(1).double())
        return torch.stack(columns, 1)

    def further(self, details: Tensor, targets: Tensor, splits: Splits) -> dict[str, float]:
        """Return `f1`, `precision`, `recall`, `ece`, and of many classes `top5`, as fractions."""
        predicted = details[:, 0].long()
        metrics = class_averages(predicted, targets, count_classes(splits))
        metrics["ece"] = calibration_error(details[:, 1], predicted == targets)
        if details.shape[1] > 2:
            metrics["top5"] = float(details[:, 2].mean())
        return metrics


def calibration_error(probabilities: Tensor, right: Tensor) -> float:
    """Return the expected calibration error (ECE) of predictions, as a fraction.

    Examples are put into 15 bins by the probability of the predicted class. The result is the sum
    over the bins of |accuracy - mean probability|, weighted by the bins' shares of the examples
    (Guo et al. 2017, "On Calibration of Modern Neural Networks").

    Args:
        probabilities: of the predicted classes, (examples,), on the CPU.
        right: whether the prediction is right, (examples,).

    Example:
        >>> calibration_error(torch.tensor([0.75, 0.75]), torch.tensor([True, False]))
        0.25
    """
    bins = (probabilities * BINS).ceil().long().clamp(1, BINS) - 1
    gaps = torch.bincount(bins, weights=right.double() - probabilities.double())
    return float(gaps.abs().sum() / len(bins))

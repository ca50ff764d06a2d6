"""F1, precision and recall of predicted classes, averaged over the classes."""

import torch
from torch import Tensor


def class_averages(predictions: Tensor, targets: Tensor, num_classes: int) -> dict[str, float]:
    """Return F1, precision and recall as fractions: macro averages over the classes.

    With two classes, they are those of class 1, as usual. A class that is neither predicted nor
    there is left out; a score of 0 / 0 is 0. The numbers are those of torchmetrics, which in
    deterministic mode makes a table of examples x classes^2.

    Args:
        predictions: class numbers, of shape (examples,).
        targets: the true class numbers, of the same shape and on the same device.
        num_classes: number of classes; all class numbers are below it.

    Example:
        >>> class_averages(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2)["recall"]
        0.5
    """
    right = torch.where(predictions == targets, targets, num_classes)  # one more class: wrong
    hits = torch.bincount(right, minlength=num_classes + 1)[:num_classes].cpu().float()
    predicted = torch.bincount(predictions, minlength=num_classes).cpu().float()
    there = torch.bincount(targets, minlength=num_classes).cpu().float()
    scores = f1_precision_recall(hits, predicted, there)
    if num_classes == 2:
        return {name: float(score[1]) for name, score in scores.items()}
    num_present = ((predicted + there) > 0).float().sum()
    return {name: float(_divide(score, num_present).sum()) for name, score in scores.items()}


def f1_precision_recall(hits: Tensor, predicted: Tensor, there: Tensor) -> dict[str, Tensor]:
    """Return the scores of each class by counts of examples: 0 where they are 0 / 0.

    Args:
        hits: examples of the class that are predicted to be.
        predicted: examples that are predicted to be of the class.
        there: examples of the class.
    """
    return {
        "f1": _divide(2 * hits, predicted + there),
        "precision": _divide(hits, predicted),
        "recall": _divide(hits, there),
    }


def _divide(counts: Tensor, of: Tensor) -> Tensor:
    return torch.where(of > 0, counts / of, torch.zeros(()))

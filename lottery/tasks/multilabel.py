"""Several labels for each example, each there or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from lottery.arguments import check_one_of
from lottery.data import DataError, Split, Splits
from lottery.record.score import Score
from lottery.tasks.class_averages import f1_precision_recall
from lottery.tasks.in_one_type import in_one_type
from lottery.tasks.interface import Loss


@dataclass(frozen=True)
class Multilabel:
    """One logit for each label, which is predicted above 0; the score is F1.

    Further metrics are precision and recall, with the same average. F1, precision and recall that
    are 0 / 0 are 0, as those of a label that is neither predicted nor there.

    Args:
        average: "macro" is the mean of the labels' F1, so that rare labels count as much as
            others; "micro" is the F1 of all pairs of example and label together.
    """

    average: str = "macro"
    needs_outputs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_one_of("average", self.average, ("macro", "micro"))

    @property
    def score(self) -> Score:
        """F1 by its average."""
        return Score(f"{self.average}-F1")

    def prepare(self, splits: Splits) -> Splits:
        """Return the splits with targets (n, labels) of 0.0 and 1.0."""
        shape = splits.train.targets.shape[1:]
        for name, split in splits.by_name().items():
            targets = split.targets
            if targets.dim() != 2 or targets.shape[1:] != shape:
                raise DataError(
                    f"the {name} split's targets have the shape {tuple(targets.shape)}: "
                    "(examples, labels) expected"
                )
            if not ((targets == 0) | (targets == 1)).all():
                raise DataError(f"the {name} split has a target other than 0 and 1")
        return splits.changed(_as_numbers)

    def output_shape(self, splits: Splits) -> tuple[int, ...]:
        """Return (labels,)."""
        return tuple(splits.train.targets.shape[1:])

    def losses(self, splits: Splits) -> Mapping[str, Loss]:
        """Return `binary_cross_entropy_with_logits`, the mean over examples and labels."""
        loss = nn.functional.binary_cross_entropy_with_logits
        return {"binary_cross_entropy_with_logits": partial(in_one_type, loss)}

    def parts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return for each label whether it is rightly predicted, predicted, and there."""
        predicted, there = outputs > 0, targets > 0
        return torch.cat([predicted & there, predicted, there], 1)

    def score_of(self, sums: Tensor, loss: float, examples: int) -> float:
        """Return F1 as a fraction."""
        return self._averages(sums)["f1"]

    def details(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the parts of the score."""
        return self.parts(outputs, targets).double()

    def further(self, details: Tensor, targets: Tensor, splits: Splits) -> dict[str, float]:
        """Return `precision` and `recall`."""
        averages = self._averages(details.sum(0))
        return {name: averages[name] for name in ("precision", "recall")}

    def _averages(self, sums: Tensor) -> dict[str, float]:
        hits, predicted, there = sums.double().chunk(3)
        if self.average == "micro":
            hits, predicted, there = (c.sum(0, keepdim=True) for c in (hits, predicted, there))
        scores = f1_precision_recall(hits, predicted, there)
        return {name: float(score.mean()) for name, score in scores.items()}


def _as_numbers(split: Split) -> Split:
    return split.with_targets(split.targets.float())

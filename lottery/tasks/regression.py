"""One or several numbers for each example."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from lottery.data import DataError, Split, Splits
from lottery.record.score import Score
from lottery.tasks.in_one_type import in_one_type
from lottery.tasks.interface import Loss


@dataclass(frozen=True)
class Regression:
    """Numbers (outputs); the score is the root mean squared error (RMSE), where less is better.

    The mean is over the examples and the outputs, in the unit of the dataset's targets. Further
    metrics are the mean absolute error `mae`, and `r2`, the coefficient of determination, which is
    the mean over the outputs: 1 is perfect, 0 is as good as the mean of the split's targets.
    """

    score: ClassVar[Score] = Score("RMSE", higher_is_better=False, is_share=False)
    needs_outputs: ClassVar[bool] = True

    def prepare(self, splits: Splits) -> Splits:
        """Return the splits with targets (n, outputs) of a floating-point type."""
        if splits.num_classes is not None:
            raise DataError(
                f"its targets are {splits.num_classes} classes (num_classes), numbers expected"
            )
        widths = {name: _width(name, split.targets) for name, split in splits.by_name().items()}
        if len(set(widths.values())) > 1:
            raise DataError(f"the splits have {widths} targets for each example")
        return splits.changed(_as_numbers)

    def output_shape(self, splits: Splits) -> tuple[int, ...]:
        """Return (outputs,)."""
        return tuple(splits.train.targets.shape[1:])

    def losses(self, splits: Splits) -> Mapping[str, Loss]:
        """Return `mse_loss`, `l1_loss` and `huber_loss`."""
        functions: tuple[Callable[..., Tensor], ...] = (
            nn.functional.mse_loss,
            nn.functional.l1_loss,
            nn.functional.huber_loss,
        )
        return {function.__name__: partial(in_one_type, function) for function in functions}

    def parts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each example's mean squared error, (batch, 1)."""
        return (outputs.double() - targets.double()).square().mean(1, keepdim=True)

    def score_of(self, sums: Tensor, loss: float, examples: int) -> float:
        """Return the RMSE."""
        return math.sqrt(float(sums[0]) / examples)

    def details(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the outputs."""
        return outputs.double()

    def further(self, details: Tensor, targets: Tensor, splits: Splits) -> dict[str, float]:
        """Return `mae` and `r2`."""
        targets = targets.double()
        rest = (details - targets).square().sum(0)
        around_mean = (targets - targets.mean(0)).square().sum(0)
        r2 = torch.where(around_mean > 0, 1 - rest / around_mean, 0)  # targets that are all equal
        return {"mae": float((details - targets).abs().mean()), "r2": float(r2.mean())}


def _width(name: str, targets: Tensor) -> int:
    """Return the number of targets for each example."""
    if targets.dim() > 2 or targets.is_complex() or targets.dtype == torch.bool:
        raise DataError(
            f"the {name} split's targets are {targets.dtype} {tuple(targets.shape)}: numbers "
            "(examples,) or (examples, outputs) expected"
        )
    if not targets.double().isfinite().all():
        raise DataError(f"the {name} split has a target that is not finite")
    return targets.shape[1] if targets.dim() == 2 else 1


def _as_numbers(split: Split) -> Split:
    targets = split.targets if split.targets.is_floating_point() else split.targets.float()
    return split.with_targets(targets.reshape(len(split), -1))

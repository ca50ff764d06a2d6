"""SET and RigL: at every update a layer drops some weights and grows as many others."""

from dataclasses import dataclass
from typing import ClassVar

from lottery.dynamic.interface import Moment, Quota, Span, Stage
from lottery.dynamic.schedules import check_every, check_part, cosine, steps_before
from lottery.masks import Masks
from lottery.pruning import Magnitude, Random, Trained
from lottery.pruning.top_k import keep_highest
from lottery.tensors import Tensors


@dataclass(frozen=True)
class Set:
    """Drop the smallest |w|, grow at random (SET, Mocanu et al. 2018).

    The paper drops a share of the smallest positive weights and of the largest negative ones. Here
    as in Evci et al. (2020) the two compete by |w|. The authors move the masks after each epoch
    but the last.

    Args:
        every: steps between updates; a duration.
        end: share of the round's steps before which the masks move, above 0, at most 1.
        fraction: share of a layer's weights that an update exchanges, above 0, at most 1.
    """

    durations: ClassVar[tuple[str, ...]] = ("every",)

    every: int
    end: float
    fraction: float

    def __post_init__(self) -> None:
        _check(self.every, self.end, self.fraction)

    def steps(self, span: Span) -> list[int]:
        """Return the multiples of `every` before `end`."""
        return steps_before(span, self.every, self.end)

    def settled(self, span: Span) -> int:
        """Return the step `end`."""
        return span.at(self.end)

    def quota(self, stage: Stage) -> Quota:
        """Return the same share of each layer."""
        return exchanged(stage, self.fraction)

    def __call__(self, moment: Moment) -> Masks:
        """Drop by magnitude, grow at random."""
        drop, grow = Magnitude()(moment.trained), Random()(moment.trained)
        return exchange(moment.trained, drop, grow, self.quota(moment.stage))


@dataclass(frozen=True)
class Rigl:
    """Drop the smallest |w|, grow the largest |dL/dw| (RigL, Evci et al. 2020).

    The share falls by a cosine, from `fraction` to 0 at `end`. The gradient is that of the step's
    batch, at the weights after the step. In the paper an update takes the place of an optimizer
    step; here it comes after one, so that all methods make equally many.

    Args:
        every: steps between updates, 100 in the paper; a duration.
        end: share of the round's steps before which the masks move, 0.75 in the paper.
        fraction: share of a layer's weights that the first update exchanges, 0.3 in the paper.
    """

    durations: ClassVar[tuple[str, ...]] = ("every",)
    dense_gradients: ClassVar[bool] = True

    every: int
    end: float
    fraction: float

    def __post_init__(self) -> None:
        _check(self.every, self.end, self.fraction)

    def steps(self, span: Span) -> list[int]:
        """Return the multiples of `every` before `end`."""
        return steps_before(span, self.every, self.end)

    def settled(self, span: Span) -> int:
        """Return the step `end`."""
        return span.at(self.end)

    def quota(self, stage: Stage) -> Quota:
        """Return a share of each layer that falls by a cosine."""
        return exchanged(stage, self.fraction * cosine(stage.step, stage.span, self.end))

    def __call__(self, moment: Moment) -> Masks:
        """Drop by magnitude, grow by the size of the dense gradient."""
        drop = Magnitude()(moment.trained)
        grow = {name: gradient.abs() for name, gradient in moment.gradients().items()}
        return exchange(moment.trained, drop, grow, self.quota(moment.stage))


def _check(every: object, end: object, fraction: object) -> None:
    check_every(every)
    check_part("end", end)
    check_part("fraction", fraction)


def exchanged(stage: Stage, fraction: float) -> Quota:
    """Return floor(fraction * weights) of each layer, at most what it has pruned."""
    numbers = {
        name: min(int(fraction * alive), stage.sizes[name] - alive)
        for name, alive in stage.alive.items()
    }
    return Quota(numbers, numbers)


def exchange(trained: Trained, drop: Tensors, grow: Tensors, quota: Quota) -> Masks:
    """Drop the weights with the lowest scores, and grow those with the highest, layer by layer.

    What has just been dropped is not grown again, so that exactly the quota changes its place.

    Example:
        >>> import torch
        >>> weights = {"w": torch.tensor([0.5, -2.0, 0.0, 0.0])}
        >>> masks = {"w": torch.tensor([True, True, False, False])}
        >>> trained = Trained(1, weights, weights, masks, torch.Generator())
        >>> grow = {"w": torch.tensor([9.0, 9.0, 0.1, 0.2])}
        >>> exchange(trained, Magnitude()(trained), grow, Quota({"w": 1}, {"w": 1}))["w"].tolist()
        [False, True, False, True]
    """
    moved = {}
    for name, mask in trained.masks.items():
        kept = keep_highest(drop[name], mask, int(mask.sum()) - quota.dropped[name])
        moved[name] = kept | keep_highest(grow[name], ~mask, quota.grown[name])
    return moved

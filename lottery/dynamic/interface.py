"""What a dynamic is, and what it is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lottery.masks import Masks
from lottery.pruning import Keep, Trained
from lottery.tensors import Tensors


class Span(NamedTuple):
    """The steps of a round on its clock: those after `first`, up to `last`.

    Example:
        >>> Span(100, 1100).at(0.75)
        850
    """

    first: int
    last: int

    def at(self, share: float) -> int:
        """Return the step after which a share of the round's steps is made."""
        return self.first + round(share * (self.last - self.first))


class Quota(NamedTuple):
    """How many weights one update drops and grows: by layer, or `IN_ALL` layers together."""

    dropped: Keep
    grown: Keep


@dataclass(frozen=True)
class Stage:
    """How many weights there are when masks are moved.

    Args:
        step: the step just made, on the round's clock.
        span: the round's steps.
        sizes: all weights of each layer.
        start: weights that each layer had when the round began.
        alive: weights that each layer has now.
        target: weights that are left at the round's end, by layer or `IN_ALL`.
    """

    step: int
    span: Span
    sizes: Mapping[str, int]
    start: Mapping[str, int]
    alive: Mapping[str, int]
    target: Keep


@dataclass(frozen=True)
class Moment:
    """What a dynamic may look at when masks are moved, after an optimizer step.

    Args:
        stage: the counts.
        trained: the prunable weights now with the pruned ones at zero, their masks, the weights
            before the run's first step, and random numbers of the pruning seed for this step.
        prune: prunes to some counts by the run's criterion and scope.
        gradients: computes dL/dw of all prunable weights, of pruned ones too, on the batch of the
            step just made. It takes one more forward and backward pass.
        start: the masks that the round began with.
    """

    stage: Stage
    trained: Trained
    prune: Callable[[Trained, Keep], Masks]
    gradients: Callable[[], Tensors]
    start: Masks


class Dynamic(Protocol):
    """When the masks of a round move, and how.

    A class whose rounds begin with the masks of the round before, and which prunes them itself,
    has the class attribute `starts_dense = True`. Otherwise a round begins with masks of the run's
    criterion and scope. One that calls `Moment.gradients` has `dense_gradients = True`: the FLOPs
    of training then have this pass. With `fresh_optimizer = True` an update that grows weights
    gives the whole optimizer a fresh state, not only the weights that it grows. One whose
    `restart` is true lets the schedule of the learning rate begin again at each update.
    `durations` names arguments such as '5ep', as in a reinit.
    """

    def steps(self, span: Span) -> Sequence[int]:
        """Return the steps after which masks move, ascending."""
        ...

    def settled(self, span: Span) -> int:
        """Return the step from which on the masks stay. ES is looked for from there on."""
        ...

    def quota(self, stage: Stage) -> Quota:
        """Return how many weights are dropped and grown; every update is checked against it."""
        ...

    def __call__(self, moment: Moment) -> Masks:
        """Return the masks from this step on."""
        ...


def has_dense_gradients(dynamic: Dynamic) -> bool:
    """Return whether each update takes the gradients of all weights, one more pass each time."""
    return bool(getattr(dynamic, "dense_gradients", False))


def has_fresh_optimizer(dynamic: Dynamic) -> bool:
    """Return whether an update that grows weights gives the whole optimizer a fresh state."""
    return bool(getattr(dynamic, "fresh_optimizer", False))


def restarts_schedule(dynamic: Dynamic) -> bool:
    """Return whether the schedule of the learning rate begins again at each update."""
    return bool(getattr(dynamic, "restart", False))


def starts_dense(dynamic: Dynamic | None) -> bool:
    """Return whether a dynamic's rounds begin with the masks of the round before."""
    return bool(getattr(dynamic, "starts_dense", False))

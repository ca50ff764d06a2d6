"""The training examples that a criterion scores on, and the network's mode meanwhile."""

from typing import Any, Protocol

from lottery.arguments import check_one_of, check_whole
from lottery.pruning.interface import Trained
from lottery.pruning.probe import Batch, Probe

PER_CLASS = 10  # examples that batch_size=auto takes of each class
AUTO = "auto"


class OnExamples(Protocol):
    """The arguments of a criterion that scores on training examples."""

    @property
    def num_batches(self) -> int:
        """Number of batches."""

    @property
    def batch_size(self) -> int | str:
        """Examples in each; "auto" is `PER_CLASS` times the number of classes."""

    @property
    def mode(self) -> str:
        """How BatchNorm works: by the batch ("train") or by its running averages ("eval")."""

    @property
    def sampling(self) -> str:
        """Which examples: any ("random"), or as many of each class ("per_class").

        With "per_class" a class that has too few gives all it has, and the others go on.
        """

    @property
    def num_classes(self) -> int | None:
        """Number of classes; None if targets are no classes."""


def check_examples(criterion: OnExamples) -> None:
    """Check these arguments; a ValueError names the first wrong one."""
    check_whole("num_batches", criterion.num_batches, at_least=1)
    if criterion.batch_size != AUTO:
        check_whole("batch_size", criterion.batch_size, at_least=1)
    check_one_of("mode", criterion.mode, ("train", "eval"))
    check_one_of("sampling", criterion.sampling, ("random", "per_class"))
    if criterion.num_classes is not None:
        return
    for name, value in (("batch_size", AUTO), ("sampling", "per_class")):
        if getattr(criterion, name) == value:
            raise ValueError(f"{name}={value}: needs a target that is one class")


def batch_size_of(criterion: OnExamples) -> int:
    """Return the number of examples in a batch."""
    if criterion.batch_size == AUTO:
        assert criterion.num_classes is not None  # `check_examples`
        return PER_CLASS * criterion.num_classes
    return int(criterion.batch_size)


def count_examples(criterion: Any) -> int:
    """Return the number of examples in all, for the trait `num_examples`."""
    return int(criterion.num_batches * batch_size_of(criterion))


def draw_batches(criterion: OnExamples, probe: Probe, trained: Trained) -> list[Batch]:
    """Draw the batches by the pruning seed."""
    return probe.batches(
        criterion.num_batches,
        batch_size_of(criterion),
        trained.generator,
        per_class=criterion.sampling == "per_class",
    )

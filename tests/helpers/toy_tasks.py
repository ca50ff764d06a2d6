"""Small made-up data for each task; a user's dataset would look like these."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lottery.data import Split, Splits


def _splits(targets_of: Callable[[Tensor], Tensor], num_classes: int | None = None) -> Splits:
    """Return 60, 30 and 30 examples of eight numbers."""
    inputs = torch.randn(120, 8, generator=torch.Generator().manual_seed(0))
    targets = targets_of(inputs)
    parts = [Split(inputs[rows], targets[rows]) for rows in torch.arange(120).split([60, 30, 30])]
    return Splits(*parts, num_classes=num_classes)


@dataclass(frozen=True)
class ToyNumbers:
    """One number for each example, or two."""

    outputs: int = 1

    def load(self) -> Splits:
        return _splits(lambda inputs: inputs[:, 0] + 2 if self.outputs == 1 else inputs[:, :2])


@dataclass(frozen=True)
class ToyLabels:
    """Three labels: whether a number is above 0, and a fourth that no example has."""

    def load(self) -> Splits:
        return _splits(lambda inputs: (inputs[:, :4] > torch.tensor([0.0, 0, 0, 99])).int())


@dataclass(frozen=True)
class ToyKinds:
    """Two classes, one of which is rare."""

    def load(self) -> Splits:
        return _splits(lambda inputs: (inputs[:, 0] > 1).long(), num_classes=2)


@dataclass(frozen=True)
class ToyWords:
    """Windows of six tokens; the next token is mostly one more, modulo five."""

    def load(self) -> Splits:
        steps = torch.rand(780, generator=torch.Generator().manual_seed(0)) < 0.9
        tokens = (steps.long().cumsum(0) % 5)[: 120 * 6 + 1]
        inputs, targets = tokens[:-1].reshape(120, 6), tokens[1:].reshape(120, 6)
        rows = torch.arange(120).split([60, 30, 30])
        parts = [Split(inputs[part], targets[part]) for part in rows]
        return Splits(*parts, num_classes=5, num_tokens=5)


def _of(name: str, *overrides: str) -> tuple[str, ...]:
    return (
        f"dataset._target_=tests.helpers.toy_tasks.{name}",
        "dataset.batch_size=20",
        *overrides,
    )


DECODER = ("model=transformer", "model.width=8", "model.depth=1", "model.heads=2")
TOY_TASKS = {
    "regression": _of("ToyNumbers", "task=regression"),
    "multilabel": _of("ToyLabels", "task=multilabel"),
    "binary": _of("ToyKinds", "task=binary"),
    "language_model": _of("ToyWords", "task=language_model", *DECODER),
}

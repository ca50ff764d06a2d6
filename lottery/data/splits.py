"""The three splits of a dataset as tensors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from lottery import tensors
from lottery.data.errors import DataError
from lottery.data.scaling import Scaling


class Augmentation(Protocol):
    """Changes training images at random, a batch at a time, by numbers drawn beforehand."""

    def draw(self, steps: int, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw the random numbers of some steps, (steps, batch_size, ...)."""

    def __call__(self, inputs: Tensor, drawn: Tensor) -> Tensor:
        """Change a batch; example i uses `drawn[i]`."""


@dataclass(frozen=True)
class Split:
    """Examples that are used together.

    Args:
        inputs: (n, *input_shape), ready for the network; or bytes, which `scaling` makes ready.
        targets: (n,), class numbers.
        scaling: of inputs that are bytes.
        rows: (n,), these examples' rows in `inputs` if splits share one tensor, such as a file
            that is mapped into memory; None: all rows.
        augmentation: of training images.
    """

    inputs: Tensor
    targets: Tensor
    scaling: Scaling | None = None
    rows: Tensor | None = None
    augmentation: Augmentation | None = None

    def __post_init__(self) -> None:
        examples = len(self.inputs) if self.rows is None else len(self.rows)
        if examples != len(self.targets):
            raise ValueError(f"{examples} inputs but {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, which: Tensor | slice, drawn: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return inputs, ready for the network, and targets of some examples.

        Args:
            which: their positions in the split, (batch,).
            drawn: the augmentation's random numbers, (batch, ...); None leaves images as they are.
        """
        inputs = self.inputs[which if self.rows is None else self.rows[which]]
        if drawn is not None and self.augmentation is not None:
            inputs = self.augmentation(inputs, drawn)
        if self.scaling is not None:
            inputs = self.scaling(inputs)
        return inputs, self.targets[which]

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Split":
        """Return the split in a device's memory, for a network of a floating-point type.

        Bytes stay bytes, and a mapped file stays mapped if the device is the CPU.
        """
        inputs, rows = self.inputs, self.rows
        if rows is not None and torch.device(device).type != "cpu":
            inputs, rows = inputs[rows], None
        inputs = inputs.to(device, dtype if self.scaling is None else inputs.dtype)
        scaling = self.scaling and self.scaling.to(device, dtype)
        return replace(
            self, inputs=inputs, targets=self.targets.to(device), scaling=scaling, rows=rows
        )


@dataclass(frozen=True)
class Splits:
    """The three splits that a dataset's `load()` returns.

    Args:
        train: the weights are trained on it.
        val: every choice (ES, early stopping, the winning ticket) is made on it.
        test: is reported; nothing is chosen by it.
        num_classes: number of classes.
        known_digests: sha256 by name of the files that the splits are made from; None: computed.
    """

    train: Split
    val: Split
    test: Split
    num_classes: int
    known_digests: Mapping[str, str] | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.inputs.shape[1:])

    def check(self) -> None:
        """Check everything that a training relies on.

        Raises:
            DataError: a split is empty, or inputs or targets are not of the kind they should be.
        """
        if self.num_classes < 2:
            raise DataError(f"{self.num_classes} classes, 2 or more expected")
        for name in ("train", "val", "test"):
            split: Split = getattr(self, name)
            if len(split) == 0:
                raise DataError(f"the {name} split is empty")
            if split.inputs.shape[1:] != self.train.inputs.shape[1:]:
                raise DataError(f"the {name} split's inputs have another shape than training's")
            if split.targets.dtype != torch.long or split.targets.dim() != 1:
                raise DataError(f"the {name} split's targets are not a vector of torch.long")
            if int(split.targets.min()) < 0 or int(split.targets.max()) >= self.num_classes:
                raise DataError(
                    f"the {name} split has a target outside 0 to {self.num_classes - 1}"
                )

    def digests(self) -> dict[str, str]:
        """Return the digests of the data for run.json, by names that a user knows."""
        return {"data": self.digest()} if self.known_digests is None else dict(self.known_digests)

    def digest(self) -> str:
        """Return the sha256 of all inputs and targets."""
        named: dict[str, Tensor] = {}
        for name in ("train", "val", "test"):
            split: Split = getattr(self, name)
            inputs = split.inputs if split.rows is None else split.inputs[split.rows]
            named |= {f"{name}/inputs": inputs, f"{name}/targets": split.targets}
            if split.scaling is not None:
                named |= {f"{name}/mean": split.scaling.mean, f"{name}/std": split.scaling.std}
        return tensors.digest(named)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Splits":
        """Return all splits in a device's memory."""
        return replace(
            self,
            train=self.train.to(device, dtype),
            val=self.val.to(device, dtype),
            test=self.test.to(device, dtype),
        )

"""The three splits of a dataset as tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lottery import tensors
from lottery.data.errors import DataError


@dataclass(frozen=True)
class Split:
    """Examples that are used together.

    Args:
        inputs: (n, *input_shape), ready for the network.
        targets: (n,), class numbers.
    """

    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"{len(self.inputs)} inputs but {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Split":
        """The split in a device's memory, its inputs in the network's floating-point type."""
        return Split(self.inputs.to(device, dtype), self.targets.to(device))


@dataclass(frozen=True)
class Splits:
    """What a dataset's `load()` returns.

    Args:
        train: what the weights are trained on.
        val: what every choice (ES, early stopping, the winning ticket) is made on.
        test: what is reported, and never chosen by.
        num_classes: number of classes.
    """

    train: Split
    val: Split
    test: Split
    num_classes: int

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.inputs.shape[1:])

    def check(self) -> None:
        """Check what every training relies on.

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
                raise DataError(f"the {name} split's targets are no vector of torch.long")
            if int(split.targets.min()) < 0 or int(split.targets.max()) >= self.num_classes:
                raise DataError(
                    f"the {name} split has a target outside 0 to {self.num_classes - 1}"
                )

    def digest(self) -> str:
        """sha256 of all inputs and targets."""
        named: dict[str, Tensor] = {}
        for name in ("train", "val", "test"):
            split: Split = getattr(self, name)
            named |= {f"{name}/inputs": split.inputs, f"{name}/targets": split.targets}
        return tensors.digest(named)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Splits":
        """All splits in a device's memory."""
        train, val, test = (split.to(device, dtype) for split in (self.train, self.val, self.test))
        return Splits(train, val, test, self.num_classes)

"""The three splits of a dataset as tensors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from lottery import tensors
from lottery.data.errors import DataError
from lottery.data.from_host import copied, gathered
from lottery.data.scaling import Scaling

INTEGERS = (torch.int16, torch.int32, torch.int64)


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
        inputs: (n, *input_shape), ready for the network; or bytes, which `scaling` makes ready;
            or whole numbers (tokens), which the network takes as they are.
        targets: (n,), class numbers; of other tasks (n, ...), numbers.
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

    @property
    def on_host(self) -> bool:
        """Whether the inputs are in the host's memory, and targets and network on a GPU."""
        return self.inputs.device != self.targets.device

    @property
    def has_tokens(self) -> bool:
        """Whether the inputs are tokens: whole numbers that are no bytes."""
        return self.scaling is None and self.inputs.dtype in INTEGERS

    def with_targets(self, targets: Tensor) -> "Split":
        """Return the split with other targets."""
        return replace(self, targets=targets)

    def batch(self, which: Tensor | slice, drawn: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return inputs, ready for the network, and targets of some examples.

        Args:
            which: their positions in the split, (batch,). If the inputs are in the host's memory
                and these are on a GPU, the host waits for it.
            drawn: the augmentation's random numbers, (batch, ...); None leaves images as they are.
        """
        if self.on_host:
            which = which if isinstance(which, slice) else which.cpu()
        places = which if self.rows is None else self.rows[which]
        if self.on_host:
            inputs = copied(self.inputs, places, self.targets.device)
        else:
            inputs = self.inputs[places]
        if drawn is not None and self.augmentation is not None:
            inputs = self.augmentation(inputs, drawn)
        if self.scaling is not None:
            inputs = self.scaling(inputs)
        return inputs, self.targets_of(which)

    def targets_of(self, which: Tensor | slice) -> Tensor:
        """Return the targets of examples by their positions, which may be in the host's memory."""
        if not isinstance(which, slice):
            which = tensors.send(which, self.targets.device)
        return self.targets[which]

    def to(
        self, device: torch.device | str, dtype: torch.dtype, *, on_host: bool = False
    ) -> "Split":
        """Return the split in a device's memory, for a network of a floating-point type.

        Bytes stay bytes, and a mapped file stays mapped if the device is the CPU. Whole numbers
        become torch.long. With `on_host` the inputs stay in the host's memory, and each batch is
        copied to the device.
        """
        inputs, rows = self.inputs, self.rows
        place = torch.device("cpu" if on_host else device)
        if rows is not None and place.type != "cpu":
            inputs, rows = gathered(inputs, rows, place), None
        scaling = self.scaling and self.scaling.to(device, dtype)
        targets = self.targets.to(device)
        if targets.is_floating_point():  # a loss in bfloat16 would have 8 bits
            targets = targets.to(torch.promote_types(dtype, torch.float32))
        if self.has_tokens:
            dtype = torch.long
        inputs = inputs.to(place, dtype if self.scaling is None else inputs.dtype)
        return replace(self, inputs=inputs, targets=targets, scaling=scaling, rows=rows)


@dataclass(frozen=True)
class Splits:
    """The three splits that a dataset's `load()` returns.

    Args:
        train: the weights are trained on it.
        val: every choice (ES, early stopping, the winning round) is made on it.
        test: is reported; nothing is chosen by it.
        num_classes: number of classes; None if targets are no classes.
        known_digests: sha256 by name of the files that the splits are made from; None: computed.
        num_tokens: number of different tokens, if the inputs are tokens; None takes the highest
            plus 1.
    """

    train: Split
    val: Split
    test: Split
    num_classes: int | None = None
    known_digests: Mapping[str, str] | None = None
    num_tokens: int | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def input_dtype(self) -> torch.dtype | None:
        """torch.long where the inputs are tokens; None where they have the network's own type."""
        return torch.long if self.train.has_tokens else None

    def by_name(self) -> dict[str, Split]:
        """Return the splits by their names."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def changed(self, change: Callable[[Split], Split]) -> "Splits":
        """Return the splits, each changed in the same way."""
        return replace(
            self, train=change(self.train), val=change(self.val), test=change(self.test)
        )

    def with_num_tokens(self) -> "Splits":
        """Return the splits with the number of tokens filled in, where the inputs are tokens."""
        if self.num_tokens is not None or not self.train.has_tokens:
            return self
        highest = max(int(split.inputs.max()) for split in self.by_name().values())
        return replace(self, num_tokens=highest + 1)

    def check(self) -> None:
        """Check what every training relies on; a DataError names the split.

        A task checks what its targets are.
        """
        number = self.num_classes
        if number is not None and (not hasattr(number, "__index__") or number < 2):
            raise DataError(f"num_classes={number}: a whole number >= 2 expected, or None")
        for name, split in self.by_name().items():
            _check_types(name, split)
        for name, split in self.by_name().items():
            if len(split) == 0:
                raise DataError(f"the {name} split is empty")
            if split.inputs.shape[1:] != self.train.inputs.shape[1:]:
                raise DataError(f"the {name} split's inputs have another shape than training's")
            self._check_tokens(name, split)

    def _check_tokens(self, name: str, split: Split) -> None:
        dtype, tokens = split.inputs.dtype, self.num_tokens
        if split.has_tokens != self.train.has_tokens:
            raise DataError(f"the {name} split's inputs have another type than training's")
        if not split.has_tokens:
            if tokens is not None:
                raise DataError(f"num_tokens={tokens}, and the {name} split's inputs are {dtype}")
            return
        lowest, highest = (int(token) for token in split.inputs.aminmax())
        if lowest < 0:
            raise DataError(f"the {name} split has the token {lowest}: 0 or above expected")
        if tokens is not None and highest >= tokens:
            raise DataError(
                f"the {name} split has the token {highest}: 0 to {tokens - 1} expected"
            )

    def digests(self) -> dict[str, str]:
        """Return the digests of the data for run.json, by names that a user knows."""
        return {"data": self.digest()} if self.known_digests is None else dict(self.known_digests)

    def digest(self) -> str:
        """Return the sha256 of all inputs and targets."""
        named: dict[str, Tensor] = {}
        for name, split in self.by_name().items():
            inputs = split.inputs if split.rows is None else split.inputs[split.rows]
            named |= {f"{name}/inputs": inputs, f"{name}/targets": split.targets}
            if split.scaling is not None:
                named |= {f"{name}/mean": split.scaling.mean, f"{name}/std": split.scaling.std}
        return tensors.digest(named)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Splits":
        """Return all splits in a device's memory."""
        return self.changed(lambda split: split.to(device, dtype))


def _check_types(name: str, split: object) -> None:
    """Check that a split is one, of tensors: a user's dataset may return anything."""
    if not isinstance(split, Split):
        raise DataError(f"the {name} split is a {_type(split)}, no lottery.data.Split")
    for part in ("inputs", "targets"):
        if not isinstance(value := getattr(split, part), Tensor):
            raise DataError(f"the {name} split's {part} are a {_type(value)}, no tensor")


def _type(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"

"""Corrupt training data on purpose, to see what a pruning method takes from them."""

from dataclasses import dataclass, replace

import torch

from lottery.data.splits import Split, Splits
from lottery.data.subset import drawn_share
from lottery.seeds import derive_seed


@dataclass(frozen=True)
class Corruptions:
    """The sanity checks of Su et al. 2020, for the training split only, as in their code.

    Find masks on corrupted data, and train them on the original data (`criterion=copy` from the
    corrupted run): this shows how much the masks depend on the data.

    Args:
        subsample: share of the training examples that stays, the same of every class, drawn at
            random (Su et al. take the first half of the files, whatever its classes).
        random_labels: share of the remaining examples with a random label, drawn uniformly among
            all classes; it may be the true one, so that with 10 classes 0.1 leaves 91 % right.
            The number of examples is exact (Su et al. toss a coin for each).
        shuffle_pixels: put the values of each training image, over all pixels and channels, in a
            random order of its own. Shuffled images are kept in memory, not in a mapped file.
        seed: of all draws, each with a stream of its own.
    """

    subsample: float
    random_labels: float
    shuffle_pixels: bool
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.subsample <= 1:
            raise ValueError(f"subsample={self.subsample}: above 0, at most 1")
        if not 0 <= self.random_labels <= 1:
            raise ValueError(f"random_labels={self.random_labels}: 0 to 1")

    def __call__(self, splits: Splits) -> Splits:
        """Return the splits with a corrupted training split; validation and test stay."""
        train = splits.train
        if self.subsample < 1:
            train = drawn_share(train, self.subsample, self._seed("subsample"))
        if self.random_labels:
            if splits.num_classes is None:
                raise ValueError(f"random_labels={self.random_labels}: needs a number of classes")
            train = self._relabelled(train, splits.num_classes)
        if self.shuffle_pixels:
            train = self._shuffled(train)
        return replace(splits, train=train)

    def _seed(self, purpose: str) -> int:
        return derive_seed(self.seed, "corruption", purpose)

    def _generator(self, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(self._seed(purpose))

    def _relabelled(self, split: Split, num_classes: int) -> Split:
        generator = self._generator("random_labels")
        count = round(self.random_labels * len(split))
        rows = torch.randperm(len(split), generator=generator)[:count]
        targets = split.targets.clone()
        targets[rows] = torch.randint(num_classes, (count,), generator=generator)
        return replace(split, targets=targets)

    def _shuffled(self, split: Split) -> Split:
        generator = self._generator("shuffle_pixels")
        images = split.inputs if split.rows is None else split.inputs[split.rows]
        # a copy: the dataset's own tensor or mapped file stays as it is
        flat = images.flatten(1).clone(memory_format=torch.contiguous_format)
        for values in flat:
            values.copy_(values[torch.randperm(len(values), generator=generator)])
        return replace(split, inputs=flat.reshape(images.shape), rows=None)

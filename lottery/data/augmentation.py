"""Change training images at random: one operation per batch, with numbers drawn beforehand."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lottery.data.splits import Augmentation
from lottery.seeds import derive_seed

CHUNK = 100  # steps whose numbers are drawn at once; another value would draw other numbers


@dataclass(frozen=True)
class CropAndFlip:
    """Crop the image from itself with a black border, and mirror it one time in two.

    The size stays. This is the usual augmentation of CIFAR since He et al. 2016, with 4 pixels.

    Args:
        padding: width of the border, pixels.
    """

    padding: int

    def draw(self, steps: int, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw how far crops are moved down and right, 0 to 2 * padding, and if they are mirrored.

        These are whole numbers, (steps, batch_size, 3).
        """
        shape = (steps, batch_size)
        moves = torch.randint(2 * self.padding + 1, (*shape, 2), generator=generator)
        mirrored = torch.randint(2, (*shape, 1), generator=generator)
        return torch.cat([moves, mirrored], dim=2)

    def __call__(self, inputs: Tensor, drawn: Tensor) -> Tensor:
        """Return images (batch, channels, height, width), cropped and mirrored by (batch, 3)."""
        batch, channels, height, width = inputs.shape
        down, right, mirrored = drawn.unsqueeze(2).unbind(1)  # each (batch, 1)
        padded = nn.functional.pad(inputs, (self.padding,) * 4)
        rows = down + torch.arange(height, device=drawn.device)
        columns = torch.arange(width, device=drawn.device)
        columns = right + torch.where(mirrored == 1, width - 1 - columns, columns)
        pixels = rows.unsqueeze(2) * padded.shape[3] + columns.unsqueeze(1)
        # one gather: indexing by three tensors takes four times as long
        pixels = pixels.reshape(batch, 1, -1).expand(-1, channels, -1)
        return padded.flatten(2).gather(2, pixels).reshape(inputs.shape)


class Draws:
    """The augmentation's random numbers: a function of (seed, order key, step), as `BatchOrder`.

    They belong to positions in the whole batch, so that processes that share it use their parts.
    The key is the round, or one number for all rounds if every round sees the same batches.
    """

    def __init__(self, augmentation: Augmentation, batch_size: int, seed: int, key: int) -> None:
        self.augmentation = augmentation
        self.batch_size = batch_size
        self.seed = seed
        self.key = key
        self._drawn: tuple[int, Tensor] | None = None

    def steps(self, first: int, stop: int) -> Tensor:
        """Return the numbers of steps `first` + 1 ... `stop`, (stop - first, batch_size, ...)."""
        return torch.stack(
            [self._chunk(step // CHUNK)[step % CHUNK] for step in range(first, stop)]
        )

    def _chunk(self, number: int) -> Tensor:
        if self._drawn is None or self._drawn[0] != number:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, self.key, number))
            drawn = self.augmentation.draw(CHUNK, self.batch_size, generator)
            self._drawn = (number, drawn)
        return self._drawn[1]

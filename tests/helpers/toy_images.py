"""Toy images of any size: small datasets for large networks."""

from dataclasses import dataclass

import torch

from lottery.data import Split, Splits


@dataclass(frozen=True)
class ToyImages:
    """Noise, brighter for higher classes: 24 training, 8 validation and 8 test images."""

    channels: int
    size: int
    classes: int

    def load(self) -> Splits:
        generator = torch.Generator().manual_seed(0)

        def split(count: int) -> Split:
            targets = torch.arange(count) % self.classes
            shape = (count, self.channels, self.size, self.size)
            inputs = torch.rand(shape, generator=generator) / 4
            return Split(inputs + 0.75 * targets.view(-1, 1, 1, 1) / self.classes, targets)

        return Splits(split(24), split(8), split(8), self.classes)


def toy_images(channels: int = 3, size: int = 32, classes: int = 4) -> list[str]:
    """Return the overrides that choose them."""
    return [
        "dataset._target_=tests.helpers.toy_images.ToyImages",
        "dataset.batch_size=8",
        f"+dataset.channels={channels}",
        f"+dataset.size={size}",
        f"+dataset.classes={classes}",
    ]

"""What `dataset.augment` chooses for images larger than CIFAR's: one operation for a batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lottery.data.augmentation import CropAndFlip
from lottery.data.splits import Augmentation

AUGMENTATIONS = ("none", "flip", "crop_flip", "resized_crop_flip")
BORDER = 8  # the part of an image's side: 4 pixels of CIFAR's 32


def make_augmentation(augment: str, image_size: Sequence[int]) -> Augmentation | None:
    """Return the augmentation of a name, for images of a height and width.

    "flip" mirrors one time in two; "crop_flip" does so too and takes a crop of the image's own
    size from the image with a black border, an eighth of its shorter side wide;
    "resized_crop_flip" is `ResizedCropAndFlip`.
    """
    made: dict[str, Augmentation] = {
        "flip": CropAndFlip(0),
        "crop_flip": CropAndFlip(max(1, min(image_size) // BORDER)),
        "resized_crop_flip": ResizedCropAndFlip(),
    }
    return made.get(augment)


@dataclass(frozen=True)
class ResizedCropAndFlip:
    """A random part of the image, resized to the image's size and mirrored one time in two.

    As in Szegedy et al. 2015: the part has 8 % to 100 % of the image's area, and its height and
    width change by a factor of at most 4/3 against each other. Ten parts are drawn. The first that
    fits into the image is taken, or else the whole image. Sizes and places are shares of the
    image, not whole pixels; between pixels the values are interpolated.
    """

    areas: ClassVar = (0.08, 1.0)
    ratios: ClassVar = (3 / 4, 4 / 3)
    tries: ClassVar = 10

    def draw(self, steps: int, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw the part of each image and whether it is mirrored, (steps, batch_size, 5).

        The part is top, left, height and width, as shares of the image's height and width.
        """
        shape = (steps, batch_size)
        smallest, largest = self.areas
        area = smallest + (largest - smallest) * torch.rand(
            *shape, self.tries, generator=generator
        )
        low, high = (math.log(ratio) for ratio in self.ratios)
        ratio = torch.exp(low + (high - low) * torch.rand(*shape, self.tries, generator=generator))
        sizes = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()])  # height, width
        fits = (sizes <= 1).all(dim=0)
        first = fits.int().argmax(dim=2, keepdim=True)  # of equal ones the first
        height, width = sizes.gather(3, first.expand(2, -1, -1, -1)).where(
            fits.any(dim=2, keepdim=True), 1.0
        )
        room = 1 - torch.cat([height, width], dim=2)
        corner = room * torch.rand(*shape, 2, generator=generator)
        mirrored = torch.randint(2, (*shape, 1), generator=generator)
        return torch.cat([corner, height, width, mirrored], dim=2)

    def __call__(self, inputs: Tensor, drawn: Tensor) -> Tensor:
        """Return the parts of images (batch, channels, height, width), each in the image's size.

        Images of bytes become torch.float32, still 0 to 255.
        """
        images = inputs if inputs.is_floating_point() else inputs.float()
        top, left, height, width, mirrored = drawn.to(images.dtype).unbind(1)
        # The grid has -1 and 1 at the image's edges. An output pixel at (x, y) of these takes its
        # value from (scale * x + shift): mirrored, the scale of x is negative.
        zeros = torch.zeros_like(width)
        rows = [
            [width * (1 - 2 * mirrored), zeros, 2 * left + width - 1],
            [zeros, height, 2 * top + height - 1],
        ]
        matrices = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
        grid = nn.functional.affine_grid(matrices, list(images.shape), align_corners=False)
        return nn.functional.grid_sample(
            images, grid, mode="bilinear", padding_mode="border", align_corners=False
        )

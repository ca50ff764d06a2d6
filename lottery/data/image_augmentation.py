"""What `dataset.augment` chooses for images larger than CIFAR's: one operation for a batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lottery.data.arguments import check_one_of
from lottery.data.augmentation import CropAndFlip
from lottery.data.splits import Augmentation

NAMES = ("none", "flip", "crop_flip", "resized_crop_flip")
BORDER = 8  # the part of an image's side: 4 pixels of CIFAR's 32


def check_augment(augment: str) -> None:
    """Check the value of `dataset.augment`.

    Raises:
        ValueError: it is none of `NAMES`.
    """
    check_one_of("augment", augment, NAMES)


def make_augmentation(augment: str, image_size: Sequence[int]) -> Augmentation | None:
    """Return the augmentation of a name.

    Args:
        augment: "none"; "flip", mirrored one time in two; "crop_flip", that and a crop of the
            image's own size from the image with a black border, an eighth of its shorter side
            wide; "resized_crop_flip", see `ResizedCropAndFlip`.
        image_size: height and width.
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
        """Return where each image's part is, and whether it is mirrored.

        Returns:
            (steps, batch_size, 5): top, left, height and width as shares of the image's height
            and width; and 0 or 1.
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
        """Return each image's part in the image's size.

        Args:
            inputs: images (batch, channels, height, width), bytes or of a floating-point type.
            drawn: (batch, 5), on the images' device.

        Returns:
            The images in a floating-point type; bytes become torch.float32, still 0 to 255.
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

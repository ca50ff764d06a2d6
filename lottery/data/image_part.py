"""The part of an image that a network sees, decoded no larger than it is needed."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from lottery.data.decode import Bytes, Unreadable, in_colour

AREAS = (0.08, 1.0)  # of a random part, as shares of the image (Szegedy et al. 2015)
RATIOS = (3 / 4, 4 / 3)  # of its width to its height
TRIES = 10


@dataclass(frozen=True)
class Part:
    """A rectangle of an image, in its pixels, and whether it is mirrored."""

    left: float
    top: float
    right: float
    bottom: float
    mirrored: bool = False


ChoosePart = Callable[[int, int], Part]  # by the image's width and height


def central_part(width: int, height: int, *, share: float) -> Part:
    """Return the square in the middle whose side is a share of the shorter side.

    Example:
        >>> central_part(100, 64, share=0.5)
        Part(left=34.0, top=16.0, right=66.0, bottom=48.0, mirrored=False)
    """
    side = share * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return Part(left, top, left + side, top + side)


def random_part(width: int, height: int, random: Random) -> Part:
    """Return a random part for training, mirrored one time in two, as for ImageNet.

    The part has 8 % to 100 % of the area, and its width is 3/4 to 4/3 of its height. The first of
    ten that fits is taken, else the largest part in the middle with such a ratio.
    """
    mirrored = random.random() < 0.5
    low, high = (math.log(ratio) for ratio in RATIOS)
    for _ in range(TRIES):
        area = width * height * random.uniform(*AREAS)
        ratio = math.exp(random.uniform(low, high))
        wide, high_ = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if wide <= width and high_ <= height:
            left, top = random.uniform(0, width - wide), random.uniform(0, height - high_)
            return Part(left, top, left + wide, top + high_, mirrored)
    wide = min(width, height * RATIOS[1])
    high_ = min(height, width / RATIOS[0])
    left, top = (width - wide) / 2, (height - high_) / 2
    return Part(left, top, left + wide, top + high_, mirrored)


def decode_part(content: bytes, choose: ChoosePart, size: int) -> Bytes:
    """Return a part of an image, resized to (3, size, size), antialiased.

    JPEGs are decoded at 1/2, 1/4 or 1/8 of their size where the part stays large enough.

    Raises:
        Unreadable: Pillow cannot read it, or it is cut off.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
            part = choose(width, height)
            scale = max(size / (part.right - part.left), size / (part.bottom - part.top))
            image.draft(None, (math.ceil(scale * width), math.ceil(scale * height)))
            box = _scaled(part, image.size[0] / width, image.size[1] / height, image.size)
            coloured = in_colour(image)
            pixels = coloured.resize((size, size), Image.Resampling.BILINEAR, box=box)
    except Exception as error:  # Pillow raises many kinds for damaged images
        raise Unreadable.because(error) from error
    planes = np.asarray(pixels).transpose(2, 0, 1)
    return np.ascontiguousarray(planes[:, :, ::-1] if part.mirrored else planes)


def _scaled(
    part: Part, across: float, down: float, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    right, bottom = min(part.right * across, size[0]), min(part.bottom * down, size[1])
    return part.left * across, part.top * down, right, bottom

"""Make the three splits of images that are decoded into one shared tensor."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lottery.data.image_augmentation import make_augmentation
from lottery.data.image_cache import cached_pixels
from lottery.data.image_list import SPLITS, ListedImage
from lottery.data.scaling import scaling_for
from lottery.data.splits import Split, Splits
from lottery.data.subset import Rows


def number_classes(images: Sequence[ListedImage]) -> tuple[list[str], Rows]:
    """Return the names of the classes, in alphabetical order, and the number of each image's."""
    names, numbers = np.unique([image.label for image in images], return_inverse=True)
    return names.tolist(), numbers


def image_splits(
    folder: Path,
    images: Sequence[ListedImage],
    rows: Mapping[str, Rows],
    *,
    image_size: Sequence[int],
    normalize: str,
    statistics: tuple[Sequence[float], Sequence[float]],
    augment: str,
    may_write: bool,
    name: str,
    listed: Mapping[str, Any],
) -> Splits:
    """Decode a folder's images; each split has some rows of them.

    `statistics` are mean and standard deviation by channel, of pixels in [0, 1]. `name` is the
    folder's in the digests of run.json, and `listed` what lists the images, by its own name there.
    """
    height, width = image_size
    pixels, digest = cached_pixels(folder, images, (height, width), may_write=may_write)
    classes, labels = number_classes(images)
    inputs, targets = torch.from_numpy(pixels), torch.from_numpy(labels)
    scaling = scaling_for(normalize, *statistics)
    train, val, test = (
        Split(inputs, targets[rows[name]], scaling, torch.from_numpy(rows[name]))
        for name in SPLITS
    )
    digests = {
        f"{name}/{part}": hashlib.sha256(json.dumps(content).encode()).hexdigest()
        for part, content in listed.items()
    }
    return Splits(
        train=replace(train, augmentation=make_augmentation(augment, image_size)),
        val=val,
        test=test,
        num_classes=len(classes),
        known_digests=digests | {f"the images in {name}/": digest},
    )

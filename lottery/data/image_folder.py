"""A folder of images of any size, listed in a `metadata.csv`."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from lottery.data.download import alone_in
from lottery.data.errors import DataError
from lottery.data.image_augmentation import check_augment, make_augmentation
from lottery.data.image_cache import cached_pixels
from lottery.data.image_list import LIST, SPLITS, ListedImage, read_list
from lottery.data.prepare import Found, find_images, make_list
from lottery.data.scaling import Scaling, check_normalize
from lottery.data.splits import Split, Splits
from lottery.data.stratified import Rows, draw_shares, draw_subset

log = logging.getLogger(__name__)

VAL_SHARE, TEST_SHARE = 0.2, 0.1
SUBSET_SEED = 0
# of ImageNet, with which torchvision's networks were trained
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ImageFolder:
    """Images resized to one size, (3, height, width), in two classes or many.

    The list says which images are used, and may say in which split each is. Where it does not, 70
    % of each class are for training, 20 % for validation and 10 % for testing, at least one
    each. Classes are numbered in the alphabetical order of their labels. Without a list there is
    one made, see `find_images`.

    Args:
        folder: holds metadata.csv and the images.
        image_size: height and width; images are resized whatever their shape.
        limit: most images to use, a stratified subset, the same one for every split seed.
        split_seed: draws validation and test images.
        normalize: "mean_std", pixels less the channel's mean over its standard deviation, of
            ImageNet, as networks trained on it expect; "unit", pixels in [0, 1].
        may_write: False makes neither list nor cache.
        augment: how training images are changed, see `make_augmentation`.
    """

    folder: str
    image_size: Sequence[int]
    limit: int | None
    split_seed: int
    normalize: str
    may_write: bool
    augment: str = "none"  # which the settings of older runs do not have

    def __post_init__(self) -> None:
        check_normalize(self.normalize)
        check_augment(self.augment)

    def load(self) -> Splits:
        """The splits.

        Raises:
            DataError: the list is wrong or an image cannot be read; naming the list and the row.
        """
        folder = Path(self.folder)
        images = self._chosen(self._list(folder))
        classes = sorted({image.label for image in images})
        labels = np.array([classes.index(image.label) for image in images])
        parts = self._parts(images, labels)
        for name, rows in zip(SPLITS, parts, strict=True):
            absent = set(range(len(classes))) - set(labels[rows].tolist())
            if absent:
                limit = "" if self.limit is None else f" among {self.limit} images"
                label = classes[min(absent)]
                raise DataError(f"{folder / LIST}: no {name} image of class {label!r}{limit}")
        height, width = self.image_size
        pixels, digest = cached_pixels(folder, images, (height, width), may_write=self.may_write)
        inputs, targets = torch.from_numpy(pixels), torch.from_numpy(labels)
        statistics = {"mean_std": (MEAN, STD), "unit": ((0.0,) * 3, (1.0,) * 3)}
        scaling = Scaling.of(*statistics[self.normalize])
        train, val, test = (
            Split(inputs, targets[rows], scaling, torch.from_numpy(rows)) for rows in parts
        )
        train = replace(train, augmentation=make_augmentation(self.augment, self.image_size))
        name = folder.resolve().name
        digests = {f"{name}/{LIST}": _digest(images), f"the images in {name}/": digest}
        return Splits(train, val, test, len(classes), digests)

    def _list(self, folder: Path) -> list[ListedImage]:
        if (folder / LIST).exists() or (folder / LIST).is_symlink():
            return read_list(folder)
        if not self.may_write:
            found = find_images(folder)
            _tell(found, folder)
            return read_list(folder, found.csv)
        with alone_in(folder):
            if not (folder / LIST).exists():  # another process has made it
                log.info("%s: no %s; making it", folder, LIST)
                _tell(make_list(folder), folder)
        return read_list(folder)

    def _chosen(self, images: list[ListedImage]) -> list[ListedImage]:
        if self.limit is None or self.limit >= len(images):
            return images
        groups = [f"{image.split}/{image.label}" for image in images]
        rows = draw_subset(np.unique(groups, return_inverse=True)[1], self.limit, SUBSET_SEED)
        return [images[row] for row in rows]

    def _parts(self, images: Sequence[ListedImage], labels: Rows) -> list[Rows]:
        """Rows of the training, validation and test images."""
        if images[0].split is None:
            val, test, train = draw_shares(labels, [VAL_SHARE, TEST_SHARE], self.split_seed)
            return [train, val, test]
        splits = np.array([image.split for image in images])
        return [np.flatnonzero(splits == name) for name in SPLITS]


def _tell(found: Found, folder: Path) -> None:
    for line in found.complaints:
        log.warning("%s", line)
    log.info("%s: %s", folder, found)


def _digest(images: Sequence[ListedImage]) -> str:
    rows = [(image.name, image.label, image.split) for image in images]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

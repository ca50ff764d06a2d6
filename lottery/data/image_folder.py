"""A folder of images of any size, listed in a `metadata.csv`."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lottery.arguments import check_one_of, check_text
from lottery.data.errors import DataError
from lottery.data.image_augmentation import AUGMENTATIONS
from lottery.data.image_list import LIST, SPLITS, ListedImage, read_list, split_named
from lottery.data.image_splits import image_splits, number_classes
from lottery.data.origin import alone_in
from lottery.data.prepare import Found, find_images, make_list
from lottery.data.scaling import NORMALIZATIONS
from lottery.data.splits import Splits
from lottery.data.subset import Rows, draw_shares, draw_subset

log = logging.getLogger(__name__)

SHARES = {"val": 0.2, "test": 0.1}  # of each class, if they are drawn
SUBSET_SEED = 0
# mean and standard deviation of ImageNet, with which torchvision's networks were trained
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class ImageFolder:
    """Images resized to one size, (3, height, width), in two classes or many.

    The list says which images are used, and may say in which split each is. If it names no image
    of `val`, 20 % of each class of the training images are drawn for it; for `test` 10 %; at least
    one of each class. Classes are numbered in the alphabetical order of their labels. If there is
    no list, one is made, see `find_images`.

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
        check_one_of("normalize", self.normalize, NORMALIZATIONS)
        check_text("folder", self.folder)
        check_one_of("augment", self.augment, AUGMENTATIONS)
        size: object = self.image_size
        sizes = size if isinstance(size, Sequence) else []
        if [type(number) for number in sizes] != [int, int] or min(sizes) < 1:
            raise ValueError(f"image_size={size}: two whole numbers >= 1, height and width")

    def load(self) -> Splits:
        """Return the splits; a DataError names the list and the row that are wrong."""
        folder = Path(self.folder)
        images = self._chosen(self._listed(folder))
        classes, labels = number_classes(images)
        rows_of = self._divide(images, labels)
        for name, rows in rows_of.items():
            absent = set(range(len(classes))) - set(labels[rows].tolist())
            if absent:
                limit = "" if self.limit is None else f" among {self.limit} images"
                label = classes[min(absent)]
                raise DataError(f"{folder / LIST}: no {name} image of class {label!r}{limit}")
        return image_splits(
            folder,
            images,
            rows_of,
            image_size=self.image_size,
            normalize=self.normalize,
            statistics=IMAGENET,
            augment=self.augment,
            may_write=self.may_write,
            name=folder.resolve().name,
            listed={LIST: [(image.name, image.label, image.split) for image in images]},
        )

    def _listed(self, folder: Path) -> list[ListedImage]:
        if os.path.lexists(folder / LIST):
            images = read_list(folder)
            _warn_of_unused_folders(folder, images)
            return images
        if not self.may_write:
            found = find_images(folder)
            _log(found, folder)
            return read_list(folder, found.csv)
        with alone_in(folder):
            if not os.path.lexists(folder / LIST):  # another process has made it
                log.info("%s: no %s; making it", folder, LIST)
                _log(make_list(folder), folder)
        return read_list(folder)

    def _chosen(self, images: list[ListedImage]) -> list[ListedImage]:
        if self.limit is None or self.limit >= len(images):
            return images
        groups = [f"{image.split}/{image.label}" for image in images]
        rows = draw_subset(np.unique(groups, return_inverse=True)[1], self.limit, SUBSET_SEED)
        return [images[row] for row in rows]

    def _divide(self, images: Sequence[ListedImage], labels: Rows) -> dict[str, Rows]:
        """Return the rows of each split; splits that the list does not name are drawn."""
        splits = np.array([image.split or "train" for image in images])
        rows = {name: np.flatnonzero(splits == name) for name in SPLITS}
        drawn = [name for name in SHARES if not len(rows[name])]
        train = rows["train"]
        if not len(train):
            return rows  # `load` refuses it
        if images[0].split is not None and drawn:
            names = " and ".join(drawn)
            log.info("%s names no %s image: drawn from train", Path(self.folder) / LIST, names)
        shares = [SHARES[name] for name in drawn]
        parts = draw_shares(labels[train], shares, self.split_seed)
        for name, part in zip([*drawn, "train"], parts, strict=True):
            rows[name] = train[part]
        return rows


def _log(found: Found, folder: Path) -> None:
    for line in found.complaints:
        log.warning("%s", line)
    log.info("%s: %s", folder, found)


def _warn_of_unused_folders(folder: Path, images: Sequence[ListedImage]) -> None:
    """Warn if the folders name the splits and the list does not."""
    if images[0].split is not None:
        return
    tops = {image.name.split("/")[0] for image in images if "/" in image.name}
    unused = sorted(name for name in tops if split_named(name) in SHARES)
    if unused:
        log.warning(
            "%s has no column split: training, validation and test images are drawn from all "
            "images, also from those in %s/; `lottery-data prepare --force` takes the splits from "
            "the folders",
            folder / LIST,
            "/ and ".join(unused),
        )

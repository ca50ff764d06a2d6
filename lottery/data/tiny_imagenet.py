"""Tiny ImageNet from the folder that its archive unpacks to."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lottery.arguments import check_one_of
from lottery.data.errors import DataError
from lottery.data.files import decode_text, exists, read_bytes, sorted_entries
from lottery.data.image_augmentation import AUGMENTATIONS
from lottery.data.image_list import ListedImage
from lottery.data.image_splits import image_splits, number_classes
from lottery.data.scaling import NORMALIZATIONS
from lottery.data.splits import Splits
from lottery.data.subset import draw_shares

FOLDER = "tiny-imagenet-200"
URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
ANNOTATIONS = "val/val_annotations.txt"
IMAGE_SIZE = (64, 64)
VAL_SHARE = 0.1
# mean and standard deviation of the training pixels in [0, 1], by channel, as commonly used
STATISTICS = ((0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821))


@dataclass(frozen=True)
class TinyImageNet:
    """90,000 training, 10,000 validation and 10,000 test images, (3, 64, 64), in 200 classes.

    The validation images are drawn from the 100,000 of `train/`, a tenth of each class. The test
    images are those of `val/`, as in papers: the labels of `test/` are not public. Classes are
    numbered in the alphabetical order of their names, such as n01443537.

    Args:
        root: folder that holds tiny-imagenet-200.
        split_seed: draws the validation images.
        normalize: "mean_std", pixels less the channel's mean over its standard deviation; "unit",
            pixels in [0, 1].
        augment: how training images are changed, see `make_augmentation`.
        may_write: False makes no cache of the decoded images.
    """

    root: str
    split_seed: int
    normalize: str
    augment: str
    may_write: bool

    def __post_init__(self) -> None:
        check_one_of("normalize", self.normalize, NORMALIZATIONS)
        check_one_of("augment", self.augment, AUGMENTATIONS)

    def load(self) -> Splits:
        """Return the splits; a DataError names the folder or file that is missing or wrong."""
        folder = Path(self.root) / FOLDER
        if not exists(folder):
            raise DataError(f"{folder}: no such folder; it comes from unpacking {URL}")
        in_train = list(_train_images(folder))
        images = [*in_train, *_val_images(folder)]
        _check_classes(folder, images, num_train=len(in_train))
        labels = number_classes(in_train)[1]
        val, train = draw_shares(labels, [VAL_SHARE], self.split_seed)
        return image_splits(
            folder,
            images,
            {"train": train, "val": val, "test": np.arange(len(in_train), len(images))},
            image_size=IMAGE_SIZE,
            normalize=self.normalize,
            statistics=STATISTICS,
            augment=self.augment,
            may_write=self.may_write,
            name=FOLDER,
            listed={"labels": [(image.name, image.label) for image in images]},
        )


def _train_images(folder: Path) -> Iterator[ListedImage]:
    """The images of train/<class>/images/."""
    for entry in sorted_entries(folder / "train"):
        if entry.is_dir():
            for image in sorted_entries(Path(entry.path) / "images"):
                yield _listed(folder, image, label=entry.name)


def _val_images(folder: Path) -> Iterator[ListedImage]:
    """The images of val/images/, with their labels from the annotations."""
    path = folder / ANNOTATIONS
    lines = decode_text(path, read_bytes(path)).splitlines()
    images = {image.name: image for image in sorted_entries(folder / "val" / "images")}
    for row, line in enumerate(lines, start=1):
        name, _, rest = line.partition("\t")
        label = rest.partition("\t")[0]
        if not label:
            raise DataError(f"{path}: row {row}: an image, a tab and its class expected")
        if name not in images:
            raise DataError(f"{path}: row {row}: {name} is not in val/images, or listed twice")
        yield _listed(folder, images.pop(name), label)
    if images:
        raise DataError(f"{path}: no row for {min(images)}")


def _listed(folder: Path, image: "os.DirEntry[str]", label: str) -> ListedImage:
    try:
        status = image.stat()
    except OSError as error:  # a link to nothing
        raise DataError(f"{image.path}: {error.strerror}") from error
    return ListedImage(
        row=None,
        name=Path(image.path).relative_to(folder).as_posix(),
        label=label,
        split=None,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )


def _check_classes(folder: Path, images: list[ListedImage], num_train: int) -> None:
    """Check that train and val have the same classes, each with the same number of images.

    A folder that is unpacked by half has fewer images of one class than of another.
    """
    names: list[list[str]] = []
    for part, of_part in (("train", images[:num_train]), ("val", images[num_train:])):
        counts = Counter(image.label for image in of_part)
        if len(counts) < 2:
            raise DataError(f"{folder / part}: {len(counts)} classes, 2 or more expected")
        few, many = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        if counts[few] != counts[many]:
            raise DataError(
                f"{folder / part}: {counts[few]} images of {few} and {counts[many]} of {many}, "
                f"the same number expected; unpack {URL} again"
            )
        names.append(sorted(counts))
    if names[0] != names[1]:
        name = min(set(names[0]) ^ set(names[1]))
        raise DataError(f"{folder}: class {name} is in one of train and val only")

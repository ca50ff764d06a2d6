"""CIFAR-10 and CIFAR-100 from the files of their binary version."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lottery.arguments import check_flag, check_one_of
from lottery.data.augmentation import CropAndFlip
from lottery.data.download import RemoteFile
from lottery.data.errors import DataError
from lottery.data.files import read_bytes
from lottery.data.origin import Origin
from lottery.data.scaling import NORMALIZATIONS, scaling_for
from lottery.data.splits import Split, Splits
from lottery.data.subset import draw_shares

SHAPE = (3, 32, 32)  # of an image: its red, green and blue planes
NUM_PIXELS = 3 * 32 * 32
VAL_SHARE = 0.1
PADDING = 4

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """What distinguishes one dataset in CIFAR's format from another."""

    folder: str  # below the root, and in the archive
    archive: RemoteFile
    train_files: tuple[str, ...]
    test_file: str
    images_per_file: tuple[int, int]  # in a training file, in the test file
    label_bytes: int  # before an image's pixels; the last of them is used
    num_classes: int
    mean: tuple[float, float, float]  # of the training pixels in [0, 1], by channel
    std: tuple[float, float, float]


SOURCES = {
    "cifar10": Source(
        folder="cifar-10-batches-bin",
        archive=RemoteFile(
            "cifar-10-binary.tar.gz",  # md5 c32a1d4ab5d03f1284b67883e8d87530
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            of_content=False,
        ),
        train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test_file="test_batch.bin",
        images_per_file=(10_000, 10_000),
        label_bytes=1,
        num_classes=10,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
    ),
    "cifar100": Source(
        folder="cifar-100-binary",
        archive=RemoteFile(
            "cifar-100-binary.tar.gz",  # md5 03b5dce01913d631647c71ecec9e9cb8
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            of_content=False,
        ),
        train_files=("train.bin",),
        test_file="test.bin",
        images_per_file=(50_000, 10_000),
        label_bytes=2,  # one of 20 coarse labels, one of 100 fine ones
        num_classes=100,
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
    ),
}


@dataclass(frozen=True)
class Cifar:
    """45,000 training, 5,000 validation and 10,000 test images, (3, 32, 32), 10 or 100 classes.

    The validation images are drawn from the 50,000 training images, a tenth of each class; the
    test images are the official ones. The statistics are those of the 50,000, as everyone uses
    them: the same inputs for every `split_seed`.

    Args:
        name: "cifar10", or "cifar100" with its fine labels.
        root: folder that holds cifar-10-batches-bin or cifar-100-binary.
        split_seed: draws the validation images.
        normalize: "mean_std", pixels less the channel's mean over its standard deviation; "unit",
            pixels in [0, 1].
        augment: train on random crops, with a border of 4 pixels, mirrored one time in two.
        download: fetch files that are missing.
        base_url: where the archive comes from.
    """

    name: str
    root: str
    split_seed: int
    normalize: str
    augment: bool
    download: bool
    base_url: str

    def __post_init__(self) -> None:
        check_one_of("name", self.name, tuple(SOURCES))
        check_one_of("normalize", self.normalize, NORMALIZATIONS)
        check_flag("augment", self.augment)

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        return Path(self.root) / SOURCES[self.name].folder

    def load(self) -> Splits:
        """Return the splits, after a download if files are missing; a DataError names bad ones."""
        source = SOURCES[self.name]
        origin = Origin(
            dataset=self.name,
            root=self.root,
            folder=self.folder,
            base_url=self.base_url,
            download=self.download,
        )
        origin.fetch_members(source.archive, [*source.train_files, source.test_file])
        in_train, in_test = source.images_per_file
        files = [self._read(name, in_train) for name in source.train_files]
        images, labels = (np.concatenate(arrays) for arrays in zip(*files, strict=True))
        val, train = draw_shares(labels, [VAL_SHARE], self.split_seed)
        augmentation = CropAndFlip(PADDING) if self.augment else None
        return Splits(
            train=replace(self._split(images[train], labels[train]), augmentation=augmentation),
            val=self._split(images[val], labels[val]),
            test=self._split(*self._read(source.test_file, in_test)),
            num_classes=source.num_classes,
        )

    def _read(self, name: str, num_images: int) -> tuple[Bytes, npt.NDArray[np.int64]]:
        """Return images (n, 3, 32, 32) and labels (n,) of a file."""
        source, path = SOURCES[self.name], self.folder / name
        record = source.label_bytes + NUM_PIXELS
        content = np.frombuffer(read_bytes(path), dtype=np.uint8)
        if len(content) != num_images * record:
            raise DataError(
                f"{path}: {len(content)} bytes, {num_images * record} expected: "
                f"{num_images} images of {record}"
            )
        records = content.reshape(num_images, record)
        labels = records[:, source.label_bytes - 1].astype(np.int64)
        if labels.max(initial=0) >= source.num_classes:
            row = int(np.argmax(labels >= source.num_classes))
            raise DataError(
                f"{path}: image {row + 1} has the label {labels[row]}, "
                f"0 to {source.num_classes - 1} expected"
            )
        return records[:, source.label_bytes :].reshape(-1, *SHAPE), labels

    def _split(self, images: Bytes, labels: npt.NDArray[np.int64]) -> Split:
        source = SOURCES[self.name]
        scaling = scaling_for(self.normalize, source.mean, source.std)
        return Split(torch.tensor(images), torch.tensor(labels), scaling)

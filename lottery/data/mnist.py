"""MNIST and Fashion-MNIST from their idx files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lottery.arguments import check_one_of
from lottery.data.download import RemoteFile
from lottery.data.errors import DataError
from lottery.data.idx import read_idx
from lottery.data.origin import Origin
from lottery.data.scaling import NORMALIZATIONS
from lottery.data.splits import Split, Splits

NUM_VAL = 5_000
NUM_CLASSES = 10

Bytes = npt.NDArray[np.uint8]


# Training images and labels, test images and labels
FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@dataclass(frozen=True)
class Source:
    """What distinguishes one dataset in MNIST's format from another."""

    folder: str  # its files are in ROOT/folder/raw, as torchvision puts them
    digests: tuple[str, ...]  # sha256, in the order of FILES
    of_content: bool  # the digests are of the decompressed content
    mean: float  # of the training pixels in [0, 1]
    std: float


SOURCES = {
    "mnist": Source(
        folder="MNIST",
        digests=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        of_content=True,
        mean=0.1307,
        std=0.3081,
    ),
    "fashion_mnist": Source(
        folder="FashionMNIST",
        digests=(
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        of_content=False,
        mean=0.2860,
        std=0.3530,
    ),
}


@dataclass(frozen=True)
class Mnist:
    """55,000 training, 5,000 validation and 10,000 test images, (1, 28, 28), ten classes.

    The validation images are drawn at random from the 60,000 training images, not stratified (as
    in Frankle & Carbin 2019); the test images are the official ones.

    Args:
        name: "mnist" or "fashion_mnist".
        root: folder that holds MNIST/raw or FashionMNIST/raw.
        split_seed: draws the validation images.
        normalize: "unit", pixels in [0, 1]; "mean_std", those less the mean over the standard
            deviation of the training set (0.1307 and 0.3081; Fashion-MNIST 0.2860 and 0.3530).
        download: fetch files that are missing.
        base_url: where they come from.
    """

    name: str
    root: str
    split_seed: int
    normalize: str
    download: bool
    base_url: str

    def __post_init__(self) -> None:
        check_one_of("name", self.name, tuple(SOURCES))
        check_one_of("normalize", self.normalize, NORMALIZATIONS)

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        return Path(self.root) / SOURCES[self.name].folder / "raw"

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
        digests = zip(FILES, source.digests, strict=True)
        origin.fetch([RemoteFile(name, digest, source.of_content) for name, digest in digests])
        paths = [origin.path(name) for name in FILES]
        images, labels = _read(paths[0], paths[1])
        order = np.random.default_rng(self.split_seed).permutation(len(labels))
        val, train = order[:NUM_VAL], np.sort(order[NUM_VAL:])
        return Splits(
            train=self._split(images[train], labels[train]),
            val=self._split(images[val], labels[val]),
            test=self._split(*_read(paths[2], paths[3])),
            num_classes=NUM_CLASSES,
        )

    def _split(self, images: Bytes, labels: Bytes) -> Split:
        inputs = torch.tensor(images).unsqueeze(1).float().div_(255)
        if self.normalize == "mean_std":
            source = SOURCES[self.name]
            inputs.sub_(source.mean).div_(source.std)
        return Split(inputs, torch.tensor(labels).long())


def _read(image_path: Path, label_path: Path) -> tuple[Bytes, Bytes]:
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if images.shape[1:] != (28, 28):
        raise DataError(f"{image_path}: images of {images.shape[1:]}, not (28, 28)")
    if len(images) != len(labels):
        raise DataError(
            f"{label_path}: {len(labels)} labels for the {len(images)} images of {image_path.name}"
        )
    if labels.max(initial=0) >= NUM_CLASSES:
        raise DataError(f"{label_path}: a label {labels.max()}, 0 to 9 expected")
    return images, labels

"""A toy dataset in MNIST's format; each image says which one it is."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lottery.data import Split

Bytes = npt.NDArray[np.uint8]

NUM_TRAIN, NUM_TEST = 5_030, 20
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


def idx_bytes(array: Bytes) -> bytes:
    """An array in the idx format."""
    sizes = np.array(array.shape, dtype=">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def toy_mnist() -> dict[str, Bytes]:
    """Number n has its label n % 10 in its first pixel and n in the two after it."""
    arrays = {}
    for images, labels, first, count in (
        (TRAIN_IMAGES, TRAIN_LABELS, 0, NUM_TRAIN),
        (TEST_IMAGES, TEST_LABELS, NUM_TRAIN, NUM_TEST),
    ):
        numbers = np.arange(first, first + count)
        arrays[labels] = (numbers % 10).astype(np.uint8)
        arrays[images] = np.zeros((count, 28, 28), dtype=np.uint8)
        arrays[images][:, 0, 0] = arrays[labels]
        arrays[images][:, 0, 1] = numbers // 256
        arrays[images][:, 0, 2] = numbers % 256
    return arrays


def write_mnist(
    root: Path, changed: Mapping[str, Bytes] | None = None, source: str = "MNIST"
) -> Path:
    """The toy dataset, gzipped, in torchvision's layout; returns the folder of the files."""
    raw = root / source / "raw"
    raw.mkdir(parents=True)
    for name, array in (toy_mnist() | dict(changed or {})).items():
        (raw / name).write_bytes(gzip.compress(idx_bytes(array), compresslevel=1))
    return raw


def numbers(split: Split) -> list[int]:
    """The numbers in the images, after a check of their labels."""
    pixels = (split.inputs[:, 0, 0, :3] * 255).round().long()
    assert torch.equal(pixels[:, 0], split.targets)
    return (256 * pixels[:, 1] + pixels[:, 2]).tolist()

"""Toy folders of images of every size and mode; the brightness of an image says its class."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lottery.data import ImageFolder

SIZE = [8, 6]  # higher than wide: a confusion of the two is seen
RUN = (
    "dataset=image_folder",
    "dataset.folder=pets",
    "dataset.image_size=[8,6]",
    "dataset.batch_size=4",
    "model.rates=[]",
)
ENDINGS = ("png", "jpg", "bmp", "gif", "tif", "webp")


def write_image(path: Path, brightness: int, number: int = 0, mode: str = "RGB") -> None:
    """Noise of one brightness, 0 to 200; sizes and content differ from number to number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng([brightness, number])
    height, width = generator.integers(5, 20, 2)
    noise = generator.integers(brightness, brightness + 50, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path)


def write_images(folder: Path, classes: Sequence[str] = ("cat", "dog"), count: int = 10) -> Path:
    """`count` images of each class, cat.0.png, cat.1.jpg ...; returns the folder."""
    for place, label in enumerate(classes):
        for number in range(count):
            ending = ENDINGS[number % len(ENDINGS)]
            brightness = 200 * place // max(1, len(classes) - 1)
            write_image(folder / f"{label}.{number}.{ending}", brightness, number)
    return folder


def write_list(folder: Path, rows: str) -> Path:
    """A metadata.csv with these rows below its names of columns; returns its path."""
    path = folder / "metadata.csv"
    path.write_text(rows, encoding="utf-8")
    return path


def image_folder(path: Path, **changes: object) -> ImageFolder:
    """The dataset with small images."""
    given = ImageFolder(
        folder=str(path),
        image_size=SIZE,
        limit=None,
        split_seed=0,
        normalize="unit",
        may_write=True,
        augment="none",
    )
    return replace(given, **changes)  # type: ignore[arg-type]

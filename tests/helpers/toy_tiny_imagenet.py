"""A folder as Tiny ImageNet's archive unpacks to, with few images of few classes."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("n01443537", "n02124075", "n07920052")
IN_TRAIN, IN_VAL = 20, 4  # images of each class


def write_tiny_imagenet(root: Path) -> Path:
    """Write root/tiny-imagenet-200, a brightness for each class; returns the folder."""
    folder = root / "tiny-imagenet-200"
    rows = []
    for place, label in enumerate(CLASSES):
        for number in range(IN_TRAIN):
            _write(folder / "train" / label / "images" / f"{label}_{number}.JPEG", place, number)
        (folder / "train" / label / f"{label}_boxes.txt").write_text("boxes\n")
        for number in range(IN_VAL):
            name = f"val_{3 * number + place}.JPEG"
            _write(folder / "val" / "images" / name, place, 100 + number)
            rows.append(f"{name}\t{label}\t0\t32\t44\t62\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(rows))
    _write(folder / "test" / "images" / "test_0.JPEG", 0, 0)
    (folder / "wnids.txt").write_text("".join(f"{label}\n" for label in CLASSES))
    return folder


def _write(path: Path, place: int, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([place, number]).integers(0, 40, (64, 64, 3), dtype=np.uint8)
    mode = "L" if number == 3 else "RGB"  # some of the real ones are grey
    Image.fromarray(noise + np.uint8(80 * place)).convert(mode).save(path, "JPEG", quality=95)

"""A folder like ImageNet's: `train` and `val` with folders of classes, told by their colours."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("n01440764", "n01443537", "n02124075")
IN_TRAIN, IN_VAL = 16, 4  # images of each class
STREAM = (
    *("module=supervised", "datamodule=image_stream", "datamodule.folder=images"),
    *("datamodule.image_size=16", "datamodule.resize=18", "datamodule.batch_size=4"),
    *("datamodule.val_share=0.25", "datamodule.num_workers=1"),
)


def write_class_folders(folder: Path, in_train: int = IN_TRAIN, in_val: int = IN_VAL) -> Path:
    """Write 60 JPEGs of sizes from 17 to 40; returns the folder."""
    for part, count in (("train", in_train), ("val", in_val)):
        for place, label in enumerate(CLASSES):
            for number in range(count):
                path = folder / part / label / f"{label}_{number:02d}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                generator = np.random.default_rng([part == "val", place, number])
                height, width = generator.integers(17, 41, 2)
                pixels = generator.integers(0, 120, (height, width, 3), dtype=np.uint8)
                pixels[:, :, place] += 100
                Image.fromarray(pixels).save(path, "JPEG", quality=90)
    return folder

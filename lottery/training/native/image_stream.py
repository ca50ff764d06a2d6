"""`datamodule=image_stream`: images in class folders, more than fit into memory."""

import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from lottery.arguments import check_one_of, check_text, check_whole
from lottery.data import BatchOrder, DataError, Split, Splits
from lottery.data.class_folders import ClassFolders, check_same_classes, list_class_folders
from lottery.data.image_folder import IMAGENET
from lottery.data.image_stream import (
    AUGMENTATIONS,
    Batches,
    EvaluationBatches,
    ImageFiles,
    ImageLoader,
    TrainingBatches,
)
from lottery.data.scaling import NORMALIZATIONS, scaling_for
from lottery.data.subset import Rows, draw_shares
from lottery.distributed import from_main, num_ranks
from lottery.seeds import derive_seed


class ImageStream(pl.LightningDataModule):
    """ImageNet's layout: `train/CLASS/IMAGE` and `val/CLASS/IMAGE`, decoded while training runs.

    `val` is the test set, as in papers. The validation images are drawn from `train`, a share of
    each class. Batches are (images, classes), normalised on the device.

    Args:
        folder: holds `train` and `val`.
        image_size: height and width that a network sees.
        resize: the shorter side before the central part of `image_size` is cut out; for
            validation and test, and for training without random parts.
        batch_size: images per step, over all devices; a part of it evaluates.
        val_share: share of each class of `train` that validates.
        augment: "none"; "flip"; "resized_crop_flip", a random part as for ImageNet, mirrored one
            time in two. The random numbers depend on seed, round, epoch and image.
        normalize: "mean_std", by ImageNet's mean and deviation; "unit", pixels in [0, 1].
        num_workers: processes that decode, for each device; 0: the one that trains does.
        split_seed: draws the validation images.
        order_seed: of the order.
        augmentation_seed: of the augmentation.
    """

    def __init__(
        self,
        folder: str,
        *,
        image_size: int,
        resize: int,
        batch_size: int,
        val_share: float,
        augment: str,
        normalize: str,
        num_workers: int,
        split_seed: int,
        order_seed: int,
        augmentation_seed: int,
    ) -> None:
        super().__init__()
        check_text("folder", folder)
        check_whole("image_size", image_size, 1, 4096)
        check_whole("resize", resize, image_size, 16_384)
        check_whole("batch_size", batch_size, 1)
        check_one_of("augment", augment, AUGMENTATIONS)
        check_one_of("normalize", normalize, NORMALIZATIONS)
        check_whole("num_workers", num_workers, 0, 1024)
        if type(val_share) is not float or not 0 < val_share <= 0.5:
            raise ValueError(f"val_share={val_share}: a number above 0, at most 0.5")
        self.folder = Path(folder)
        self.image_size = image_size
        self.resize = resize
        self.batch_size = batch_size
        self.val_share = val_share
        self.augment = augment
        self.num_workers = num_workers
        self.split_seed = split_seed
        self.order_seed = order_seed
        self.augmentation_seed = augmentation_seed
        self.key = 0  # the round, or 0 if every round has the same order
        self._scaling = scaling_for(normalize, *IMAGENET)

    def of_round(self, key: int) -> "ImageStream":
        """Return the same data in the order of a round; the lists of images are shared."""
        assert self.lists  # read once, by this first object
        made = copy.copy(self)
        made.key = key
        return made

    @cached_property
    def lists(self) -> dict[str, ClassFolders]:
        """The images of `train` and `val`, by these names; rank 0 reads the folders."""
        return from_main(self._read_lists)

    @cached_property
    def rows(self) -> dict[str, Rows]:
        """The images for train, val and test: rows of the list of `train`, of `val` for test."""
        train = self.lists["train"]
        val, rest = draw_shares(train.labels, [self.val_share], self.split_seed)
        if len(rest) < self.batch_size:
            raise DataError(
                f"{train.folder}: {len(rest)} images less those for validation; "
                f"datamodule.batch_size={self.batch_size} needs as many"
            )
        return {"train": rest, "val": val, "test": np.arange(len(self.lists["val"]))}

    def _read_lists(self) -> dict[str, ClassFolders]:
        lists = {name: list_class_folders(self.folder / name) for name in ("train", "val")}
        check_same_classes(lists["train"], lists["val"])
        return lists

    def digests(self) -> dict[str, str]:
        """Return the digests of the lists for run.json, by names that a user knows."""
        name = self.folder.resolve().name
        return {
            f"names and sizes in {name}/{part}/": listed.digest
            for part, listed in self.lists.items()
        }

    def outline(self) -> Splits:
        """Return the splits with all classes and without images: zeros that take no memory."""
        of_train, of_val = (torch.from_numpy(self.lists[n].labels) for n in ("train", "val"))
        targets = {
            "train": of_train[self.rows["train"]],
            "val": of_train[self.rows["val"]],
            "test": of_val,
        }
        shape = (3, self.image_size, self.image_size)
        train, val, test = (
            Split(torch.zeros(()).expand(len(of_split), *shape), of_split)
            for of_split in targets.values()
        )
        return Splits(train, val, test, num_classes=len(self.lists["train"].classes))

    def train_dataloader(self) -> ImageLoader:
        """Return the training images, in an order of this round and each epoch."""
        order = BatchOrder(
            num_examples=len(self.rows["train"]),
            batch_size=self.batch_size,
            seed=self.order_seed,
            key=self.key,
        )
        return self._loader("train", TrainingBatches(self.rows["train"], order), self.augment)

    def val_dataloader(self) -> ImageLoader:
        """Return the validation images."""
        return self._loader("train", self._evaluation("val"), "none")

    def test_dataloader(self) -> ImageLoader:
        """Return the images of `val`."""
        return self._loader("val", self._evaluation("test"), "none")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> tuple[Tensor, Tensor]:
        """Normalise the images on the device, for the network's floating-point type."""
        images, classes = batch
        assert self.trainer is not None
        dtype = next(self.trainer.lightning_module.parameters()).dtype
        if (self._scaling.mean.device, self._scaling.mean.dtype) != (images.device, dtype):
            self._scaling = self._scaling.to(images.device, dtype)
        return self._scaling(images), classes

    def _evaluation(self, name: str) -> EvaluationBatches:
        return EvaluationBatches(self.rows[name], max(1, self.batch_size // num_ranks()))

    def _loader(self, listed: str, batches: Batches, augment: str) -> ImageLoader:
        images = ImageFiles(
            self.lists[listed],
            size=self.image_size,
            share=self.image_size / self.resize,
            augment=augment,
            seed=derive_seed(self.augmentation_seed, self.key),
        )
        return ImageLoader(
            images,
            batches,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
        )

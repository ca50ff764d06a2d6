"""Batches of images that worker processes read, in an order that needs no replay."""

import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from types import FrameType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lottery.data.batch_order import BatchOrder
from lottery.data.class_folders import ClassFolders
from lottery.data.decode import Unreadable
from lottery.data.errors import DataError
from lottery.data.files import read_bytes
from lottery.data.image_part import Part, central_part, decode_part, random_part
from lottery.data.subset import Rows
from lottery.distributed import num_ranks, rank, share
from lottery.seeds import derive_seed

AUGMENTATIONS = ("none", "flip", "resized_crop_flip")
FOR_MAIN = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

Place = tuple[int, int]  # an image's row in the list, and the epoch
Example = tuple[Tensor, int]


class ImageFiles(Dataset[Example | DataError]):
    """The images of a folder, decoded one by one: bytes (3, size, size) and the class.

    How an image is changed is a function of the seed, the epoch and its row.

    Args:
        listed: paths and classes.
        size: height and width.
        share: of the shorter side, the side of the central part.
        augment: one of `AUGMENTATIONS`.
        seed: of the augmentation, the round's.
    """

    def __init__(
        self, listed: ClassFolders, *, size: int, share: float, augment: str, seed: int
    ) -> None:
        self.listed = listed
        self.size = size
        self.share = share
        self.augment = augment
        self.seed = seed

    def __getitem__(self, place: Place) -> Example | DataError:
        """Return an image and its class, or why it cannot be read."""
        row, epoch = place
        path = self.listed.path(row)
        try:
            pixels = decode_part(read_bytes(path), partial(self._part, row, epoch), self.size)
        except Unreadable as error:
            return DataError(f"{path}: {error}")
        except DataError as error:
            return error
        return torch.from_numpy(pixels), int(self.listed.labels[row])

    def _part(self, row: int, epoch: int, width: int, height: int) -> Part:
        central = central_part(width, height, share=self.share)
        if self.augment == "none":
            return central
        random = Random(derive_seed(self.seed, epoch, row))
        if self.augment == "resized_crop_flip":
            return random_part(width, height, random)
        return replace(central, mirrored=random.random() < 0.5)


class Batches(Protocol):
    """Batches of an epoch from the `first` on, which the next one starts with."""

    first: int

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        ...

    def __iter__(self) -> Iterator[list[Place]]:
        """Yield the places of this process's images."""
        ...


class TrainingBatches:
    """This process's share of each batch, in the order of `BatchOrder`.

    Lightning calls `set_epoch`.

    Args:
        rows: the training images in the list.
        order: of positions in `rows`.
    """

    def __init__(self, rows: Rows, order: BatchOrder) -> None:
        self.rows = rows
        self.order = order
        self.first = 0
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.order.steps_per_epoch

    def __iter__(self) -> Iterator[list[Place]]:
        begin = self.epoch * len(self)
        for step in range(begin + self.first, begin + len(self)):
            (positions,) = self.order.rows(step, step + 1)
            yield _places(self.rows[share(positions).numpy()], self.epoch)


class EvaluationBatches:
    """Each image once, on one of the processes; all have the same number of batches.

    Args:
        rows: the images in the list.
        batch_size: the most of one process; one more if it cannot be otherwise.
    """

    first = 0

    def __init__(self, rows: Rows, batch_size: int) -> None:
        if len(rows) < num_ranks():
            raise DataError(f"{len(rows)} images for {num_ranks()} processes: one each expected")
        self.rows = np.array_split(rows, num_ranks())[rank()]
        most, fewest = -(-len(rows) // num_ranks()), len(rows) // num_ranks()
        self.number = min(-(-most // batch_size), fewest)

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[list[Place]]:
        for part in np.array_split(self.rows, self.number):
            yield _places(part, epoch=0)


class ImageLoader:
    """Yields batches of images and classes, and tells where it is.

    Its workers are made for each epoch. It starts inside one without reading what comes before.
    """

    has_own_share = True  # its length is that of one process
    batch_sampler = None  # Lightning asks for it where there is a `sampler`

    def __init__(
        self, images: ImageFiles, batches: Batches, *, num_workers: int, pin_memory: bool
    ) -> None:
        self.images = images
        self.sampler = batches  # whose set_epoch Lightning calls
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.next = 0
        self._resumes = False

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.next = self.next if self._resumes else 0
        self.sampler.first, self._resumes = self.next, False
        for batch in self._workers():
            if isinstance(batch, DataError):
                raise batch
            self.next += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return how many batches of the epoch were given out."""
        return {"next": self.next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin the next epoch there."""
        self.next, self._resumes = state["next"], True

    def _workers(self) -> DataLoader[Any]:
        return DataLoader(
            self.images,
            batch_sampler=self.sampler,
            collate_fn=_collate,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            # forks share the list of images
            multiprocessing_context="fork" if self.num_workers else None,
            worker_init_fn=_leave_signals_to_main,
            generator=torch.Generator(),  # else it would draw from the round's own numbers
        )


def _places(rows: Rows, epoch: int) -> list[Place]:
    return [(row, epoch) for row in rows.tolist()]


def _collate(examples: Sequence[Example | DataError]) -> tuple[Tensor, Tensor] | DataError:
    """Return a batch, or the first error: as an exception it would lose its one line."""
    images, classes = [], []
    for example in examples:
        if isinstance(example, DataError):
            return example
        images.append(example[0])
        classes.append(example[1])
    return torch.stack(images), torch.tensor(classes)


def _leave_signals_to_main(_worker: int) -> None:
    """Leave signals that reach the whole job, such as SLURM's, to the process that trains.

    The first SIGTERM too: a process that ends sends its workers a second one.
    """
    for number in FOR_MAIN:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _await_another)


def _await_another(signum: int, _frame: FrameType | None) -> None:
    signal.signal(signum, signal.SIG_DFL)

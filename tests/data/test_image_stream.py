"""Batches of a stream: their order, each process's share, augmentation, and going on inside."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lottery.config import ProcessRank
from lottery.data import BatchOrder, DataError
from lottery.data.class_folders import list_class_folders
from lottery.data.image_stream import (
    EvaluationBatches,
    ImageFiles,
    ImageLoader,
    TrainingBatches,
)
from tests.helpers.ranks import on_ranks
from tests.helpers.toy_class_folders import write_class_folders

ROWS = np.arange(100, 110)


def _training(epoch: int = 0, first: int = 0) -> list[list[tuple[int, int]]]:
    batches = TrainingBatches(ROWS, BatchOrder(num_examples=10, batch_size=4, seed=3, key=1))
    batches.first = first
    batches.set_epoch(epoch)
    return list(batches)


def _places(process: ProcessRank) -> Any:
    evaluation = {n: list(EvaluationBatches(ROWS[:n], batch_size=2)) for n in (10, 9, 5, 3)}
    return _training(), evaluation


def test_an_epoch_is_the_shuffle_of_its_number() -> None:
    order = BatchOrder(num_examples=10, batch_size=4, seed=3, key=1)
    for epoch in (0, 5):
        expected = ROWS[order.rows(2 * epoch, 2 * epoch + 2).numpy()]
        assert _training(epoch) == [[(row, epoch) for row in b] for b in expected.tolist()]
    assert _training(5, first=1) == _training(5)[1:]


def test_each_process_has_its_share() -> None:
    (whole, _), ranks = _places(ProcessRank()), on_ranks(2, _places)
    for step, batch in enumerate(whole):
        assert batch == ranks[0][0][step] + ranks[1][0][step]
        assert len(ranks[0][0][step]) == 2
    for number in (10, 9, 5, 3):
        of_ranks = [evaluation[number] for _, evaluation in ranks]
        rows = [row for batches in of_ranks for batch in batches for row, _ in batch]
        assert rows == ROWS[:number].tolist()
        assert len(of_ranks[0]) == len(of_ranks[1])
        assert all(batch for batches in of_ranks for batch in batches)


def _loader(folder: Path, augment: str = "resized_crop_flip", workers: int = 0) -> ImageLoader:
    listed = list_class_folders(folder / "train")
    images = ImageFiles(listed, size=16, share=0.9, augment=augment, seed=5)
    order = BatchOrder(num_examples=len(listed), batch_size=8, seed=3, key=1)
    batches = TrainingBatches(np.arange(len(listed)), order)
    return ImageLoader(images, batches, num_workers=workers, pin_memory=False)


def test_a_loader_goes_on_inside_an_epoch(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    whole = list(_loader(tmp_path))
    assert [tuple(images.shape) for images, _ in whole] == [(8, 3, 16, 16)] * 6
    stopped = _loader(tmp_path, workers=1)
    ahead = iter(stopped)
    seen = [next(ahead), next(ahead)]
    state = stopped.state_dict()
    resumed = _loader(tmp_path, workers=1)
    resumed.load_state_dict(state)
    seen += list(resumed)
    for (images, classes), (expected, labels) in zip(seen, whole, strict=True):
        assert torch.equal(images, expected)
        assert torch.equal(classes, labels)
    assert len(list(resumed)) == 6  # the next epoch is whole


def test_global_generators_stay_as_they_are(tmp_path: Path) -> None:
    """A resumed epoch draws no other numbers for dropout than one that was not stopped."""
    write_class_folders(tmp_path)
    before = torch.get_rng_state()
    next(iter(_loader(tmp_path, workers=1)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("augment", ["none", "flip", "resized_crop_flip"])
def test_augmentation_depends_on_seed_epoch_and_image(tmp_path: Path, augment: str) -> None:
    write_class_folders(tmp_path)
    images = _loader(tmp_path, augment).images
    first = [images[row, 0] for row in range(12)]
    again = [images[row, 0] for row in range(12)]
    later = [images[row, 1] for row in range(12)]
    equal = [torch.equal(a[0], b[0]) for a, b in zip(first, later, strict=True)]  # type: ignore[index]
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))  # type: ignore[index]
    assert all(equal) == (augment == "none")
    assert any(equal) == (augment != "resized_crop_flip")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_one_line(tmp_path: Path, workers: int) -> None:
    damaged = write_class_folders(tmp_path) / "train/n01443537/n01443537_03.JPEG"
    damaged.write_bytes(b"no image")
    with pytest.raises(DataError) as refused:
        list(_loader(tmp_path, workers=workers))
    assert str(refused.value) == f"{damaged}: no image"

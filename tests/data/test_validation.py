"""`dataset.val_share`: the validation split with another size, or none."""

from dataclasses import replace

import pytest
import torch

from lottery.data import DataError, Split, Splits
from lottery.data.scaling import Scaling
from lottery.data.validation import with_val_share


def _split(first: int, count: int) -> Split:
    """The inputs say which examples they are; two classes."""
    return Split(torch.arange(first, first + count).float()[:, None], torch.arange(count) % 2)


SPLITS = Splits(_split(0, 80), _split(80, 20), _split(100, 10), num_classes=2)


def numbers(split: Split) -> list[int]:
    return [int(number) for number in split.batch(slice(None))[0].flatten()]


def test_without_validation_all_examples_are_for_training() -> None:
    splits = with_val_share(SPLITS, 0, seed=0)
    assert numbers(splits.train) == list(range(100))
    assert len(splits.val) == 0
    assert splits.test is SPLITS.test


def test_a_share_of_each_class_is_drawn_by_the_seed() -> None:
    splits, other = (with_val_share(SPLITS, 0.3, seed) for seed in (0, 1))
    assert torch.bincount(splits.val.targets).tolist() == [15, 15]
    assert sorted(numbers(splits.train) + numbers(splits.val)) == list(range(100))
    assert numbers(splits.val) == numbers(with_val_share(SPLITS, 0.3, seed=0).val)
    assert numbers(splits.val) != numbers(other.val)
    for split in (splits.train, splits.val):  # inputs and targets stay together
        assert [number % 2 for number in numbers(split)] == split.targets.tolist()


def test_splits_that_share_one_tensor_go_on_sharing_it() -> None:
    pixels = torch.arange(120, dtype=torch.uint8).reshape(120, 1, 1, 1)
    scaling = Scaling.of([0.0], [1 / 255])
    train, val, test = (
        Split(pixels, torch.zeros(len(rows)).long(), scaling, rows)
        for rows in (torch.arange(0, 60), torch.arange(60, 90), torch.arange(90, 120))
    )
    splits = with_val_share(Splits(train, val, test, num_classes=2), 0.1, seed=0)
    assert splits.train.inputs is splits.val.inputs is pixels
    assert sorted(numbers(splits.train) + numbers(splits.val)) == list(range(90))
    assert len(splits.val) == 9


def test_only_training_examples_are_augmented() -> None:
    augmented = replace(SPLITS.train, augmentation=object())
    splits = with_val_share(replace(SPLITS, train=augmented), 0.2, seed=0)
    assert splits.train.augmentation is augmented.augmentation
    assert splits.val.augmentation is None


def test_targets_that_are_no_classes_are_drawn_as_one() -> None:
    texts = [replace(s, targets=torch.zeros(len(s), 3).long()) for s in (SPLITS.train, SPLITS.val)]
    splits = with_val_share(Splits(*texts, SPLITS.test), 0.25, seed=0)
    assert (len(splits.train), len(splits.val)) == (75, 25)


def test_inputs_that_are_scaled_differently_are_not_mixed() -> None:
    other = replace(SPLITS.val, scaling=Scaling.of([0.0], [1.0]))
    with pytest.raises(DataError, match="scaled by different numbers"):
        with_val_share(replace(SPLITS, val=other), 0.1, seed=0)

"""The real CIFAR-10, where it is to be had: sizes, classes, statistics."""

import os
from pathlib import Path

import pytest
import torch

from lottery.data import Cifar, Splits
from lottery.data.cifar import SOURCES


@pytest.fixture(scope="module")
def splits() -> Splits:
    named = os.environ.get("LOTTERY_TEST_DATA") or os.environ.get("LOTTERY_DATA") or "data"
    root = str(Path(named).absolute())
    dataset = Cifar(
        name="cifar10",
        root=root,
        split_seed=0,
        normalize="mean_std",
        augment=False,
        download=False,
        base_url="",
    )
    if not dataset.folder.is_dir():
        pytest.skip("needs LOTTERY_TEST_DATA or LOTTERY_DATA, the folder above the CIFAR files")
    return dataset.load()


def test_the_splits_have_the_stated_sizes_and_classes(splits: Splits) -> None:
    for split, per_class in ((splits.train, 4_500), (splits.val, 500), (splits.test, 1_000)):
        assert torch.bincount(split.targets).tolist() == [per_class] * 10
    assert splits.input_shape == (3, 32, 32)
    assert splits.num_classes == 10


def test_the_stated_statistics_are_those_of_the_training_images(splits: Splits) -> None:
    """To 0.002: a copy whose images were compressed once more will do."""
    images = torch.cat([splits.train.inputs, splits.val.inputs]).double() / 255
    mean, std = images.mean((0, 2, 3)), images.std((0, 2, 3))
    assert mean.tolist() == pytest.approx(SOURCES["cifar10"].mean, abs=2e-3)
    assert std.tolist() == pytest.approx(SOURCES["cifar10"].std, abs=2e-3)


def test_batches_are_standardised(splits: Splits) -> None:
    inputs, _ = splits.val.batch(slice(5_000))
    assert inputs.mean((0, 2, 3)).abs().max() < 0.05
    assert inputs.std((0, 2, 3)).tolist() == pytest.approx([1.0] * 3, abs=0.05)

"""The real MNIST, where it is to be had: counts, digests, labels, and a run that learns it."""

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from lottery.api.load import load_run
from lottery.data import Mnist, Splits
from lottery.data.idx import read_bytes, read_idx
from lottery.data.mnist import SOURCES
from tests.conftest import Lottery

TEST_SET_CLASSES = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(scope="module")
def mnist() -> Mnist:
    named = os.environ.get("LOTTERY_TEST_DATA") or os.environ.get("LOTTERY_DATA") or "data"
    root = str(Path(named).absolute())
    dataset = Mnist(
        name="mnist", root=root, split_seed=0, normalize="unit", download=False, base_url=""
    )
    if not dataset.folder.is_dir():
        pytest.skip("needs LOTTERY_TEST_DATA or LOTTERY_DATA, the folder above MNIST/raw")
    return dataset


def _path(mnist: Mnist, position: int) -> Path:
    path = mnist.folder / SOURCES["mnist"].files[position].name
    return path if path.exists() else path.with_suffix("")


@pytest.fixture(scope="module")
def splits(mnist: Mnist) -> Splits:
    return mnist.load()


def test_the_splits_have_the_stated_sizes(splits: Splits) -> None:
    sizes = [len(part) for part in (splits.train, splits.val, splits.test)]
    assert sizes == [55_000, 5_000, 10_000]
    assert splits.input_shape == (1, 28, 28)
    assert splits.num_classes == 10


@pytest.mark.parametrize("position", range(4))
def test_the_stated_digests_are_those_of_the_content(mnist: Mnist, position: int) -> None:
    content = read_bytes(_path(mnist, position))
    assert sha256(content).hexdigest() == SOURCES["mnist"].files[position].sha256


@pytest.mark.parametrize("position", range(4))
def test_the_stated_digests_of_fashion_mnist_are_those_of_the_files(
    mnist: Mnist, position: int
) -> None:
    file = SOURCES["fashion_mnist"].files[position]
    path = replace(mnist, name="fashion_mnist").folder / file.name
    if not path.exists():
        pytest.skip(f"needs {path}")
    assert sha256(path.read_bytes()).hexdigest() == file.sha256


def test_the_test_images_are_the_official_ones(splits: Splits) -> None:
    assert torch.bincount(splits.test.targets).tolist() == TEST_SET_CLASSES
    assert splits.test.targets[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_the_training_labels_begin_as_everyones_do(mnist: Mnist) -> None:
    assert read_idx(_path(mnist, 1), 1)[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_the_stated_mean_and_deviation_are_those_of_the_training_images(splits: Splits) -> None:
    pixels = torch.cat([splits.train.inputs, splits.val.inputs]).double()
    assert pixels.mean().item() == pytest.approx(SOURCES["mnist"].mean, abs=5e-5)
    assert pixels.std().item() == pytest.approx(SOURCES["mnist"].std, abs=5e-5)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_lenet_300_100_learns_mnist_and_is_pruned_as_planned(
    lottery: Lottery, mnist: Mnist
) -> None:
    command = ("dataset=mnist", "model=lenet_300_100", "rounds=3", "iterations=2000")
    done = lottery(*command, f"dataset.root={mnist.root}", "trainer.threads=1")
    assert done.code == 0, done.err
    results = load_run(done.run).results
    assert results["test"][0] > 0.965
    assert results["remaining"][3] == pytest.approx(0.5128, abs=0.0002)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_learn_mnist_as_one_does(lottery: Lottery, mnist: Mnist) -> None:
    command = ("dataset=mnist", "rounds=1", "iterations=600", f"dataset.root={mnist.root}")
    one = load_run(lottery(*command, "trainer=cpu", "output_dir=one").run).results
    two = load_run(lottery(*command, "trainer=ddp_cpu", "output_dir=two").run).results
    assert one["remaining"].tolist() == two["remaining"].tolist()
    assert two["test"].tolist() == pytest.approx(one["test"].tolist(), abs=0.01)

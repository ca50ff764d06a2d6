"""MNIST and Fashion-MNIST from files on disk: splits, normalisation, refusals; no network."""

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch

from lottery.data import DataError, Mnist, Splits, origin
from lottery.data.idx import read_bytes
from tests.conftest import TINY, Lottery, snapshot
from tests.helpers.toy_mnist import (
    NUM_TEST,
    NUM_TRAIN,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    Bytes,
    numbers,
    write_mnist,
)

MNIST = Mnist(
    name="mnist", root="data", split_seed=0, normalize="unit", download=False, base_url=""
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    write_mnist(root)
    return root


@pytest.fixture
def splits(root: Path) -> Splits:
    return replace(MNIST, root=str(root)).load()


def test_every_image_is_in_one_split_with_its_label(splits: Splits) -> None:
    assert splits.num_classes == 10
    assert splits.input_shape == (1, 28, 28)
    assert len(numbers(splits.val)) == 5_000
    assert sorted(numbers(splits.train) + numbers(splits.val)) == list(range(NUM_TRAIN))
    assert numbers(splits.test) == list(range(NUM_TRAIN, NUM_TRAIN + NUM_TEST))


def test_a_split_seed_redraws_validation_and_never_test(root: Path, splits: Splits) -> None:
    again = replace(MNIST, root=str(root)).load()
    other = replace(MNIST, root=str(root), split_seed=1).load()
    assert splits.digest() == again.digest()
    assert set(numbers(splits.val)) != set(numbers(other.val))
    assert torch.equal(splits.test.inputs, other.test.inputs)
    assert torch.equal(splits.test.targets, other.test.targets)


def test_the_global_generators_do_not_draw_validation(root: Path, splits: Splits) -> None:
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    assert replace(MNIST, root=str(root)).load().digest() == splits.digest()


def test_unit_divides_by_255_and_mean_std_standardises(root: Path, splits: Splits) -> None:
    standardised = replace(MNIST, root=str(root), normalize="mean_std").load()
    for ours, theirs in ((splits.train, standardised.train), (splits.test, standardised.test)):
        assert ours.inputs.dtype == theirs.inputs.dtype == torch.float32
        torch.testing.assert_close(theirs.inputs, (ours.inputs - 0.1307) / 0.3081)
    assert splits.val.inputs[:, 0, 0, 2].max() == 1.0  # the pixel 255
    assert splits.val.inputs.min() == 0.0


def test_fashion_mnist_has_its_own_folder_mean_and_deviation(tmp_path: Path) -> None:
    raw = write_mnist(tmp_path, source="FashionMNIST")
    fashion = replace(MNIST, name="fashion_mnist", root=str(tmp_path), normalize="mean_std")
    assert fashion.folder == raw
    assert fashion.load().test.inputs.min().item() == pytest.approx(-0.2860 / 0.3530)


def test_gzipped_and_plain_files_may_stand_side_by_side(tmp_path: Path, splits: Splits) -> None:
    raw = write_mnist(tmp_path)
    for name in (TRAIN_IMAGES, TEST_LABELS):
        (raw / name.removesuffix(".gz")).write_bytes(read_bytes(raw / name))
        (raw / name).unlink()
    assert replace(MNIST, root=str(tmp_path)).load().digest() == splits.digest()


def _zeros(*shape: int) -> Bytes:
    return np.zeros(shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("changed", "named", "reason"),
    [
        ({TRAIN_IMAGES: _zeros(NUM_TRAIN, 28, 27)}, TRAIN_IMAGES, "(28, 27), not (28, 28)"),
        ({TEST_IMAGES: _zeros(NUM_TEST, 32, 32)}, TEST_IMAGES, "(32, 32), not (28, 28)"),
        ({TEST_LABELS: _zeros(NUM_TEST) + 10}, TEST_LABELS, "label 10, 0 to 9"),
        ({TRAIN_LABELS: _zeros(NUM_TRAIN - 1)}, TRAIN_LABELS, "5029 labels for the 5030 images"),
        ({TEST_IMAGES: _zeros(21, 28, 28)}, TEST_LABELS, "20 labels for the 21 images"),
        ({TEST_IMAGES: _zeros(NUM_TEST)}, TEST_IMAGES, "1 dimensions, 3 for images"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_named(
    tmp_path: Path, changed: dict[str, Bytes], named: str, reason: str
) -> None:
    raw = write_mnist(tmp_path, changed)
    with pytest.raises(DataError) as caught:
        replace(MNIST, root=str(tmp_path)).load()
    line = str(caught.value)
    assert line.startswith(f"{raw / named}: ")
    assert reason in line
    assert len(line.splitlines()) == 1


def test_a_truncated_file_is_one_line_and_exit_code_2(lottery: Lottery, folder: Path) -> None:
    path = write_mnist(folder / "data") / TRAIN_IMAGES
    path.write_bytes(path.read_bytes()[:-20])
    before = snapshot(folder)
    done = lottery("dataset=mnist", "dataset.root=data")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: dataset: data/MNIST/raw/{TRAIN_IMAGES}: ")
    assert len(done.err.splitlines()) == 1
    assert snapshot(folder) == before


def _no_network(*_: object) -> NoReturn:
    raise AssertionError("asked for a download")


@pytest.mark.parametrize("setting", ["dataset.download=false", "dry_run=true"])
def test_without_a_download_a_missing_file_is_one_line_and_leaves_no_trace(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setattr(origin, "downloaded", _no_network)
    (write_mnist(folder / "my data") / TEST_LABELS).unlink()
    before = snapshot(folder)
    done = lottery("dataset=mnist", "dataset.root='my data'", "dataset.base_url=http://x", setting)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        f"error: dataset: my data/MNIST/raw: {TEST_LABELS} is missing; "
        "to fetch it from http://x: lottery-data download mnist --root 'my data'"
    ]
    assert snapshot(folder) == before


def test_the_environment_names_the_folder_unless_the_config_does(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(folder / "here")
    command = ("dataset=mnist", "dataset.batch_size=10", "dry_run=true")
    monkeypatch.setenv("LOTTERY_DATA", "here")
    done = lottery(*command)
    assert done.code == 0, done.err
    assert "30 train, 5000 validation, 20 test; 10 classes; input shape (1, 28, 28)" in done.out
    assert "nowhere/MNIST/raw: " in lottery(*command, "dataset.root=nowhere").err
    monkeypatch.delenv("LOTTERY_DATA")
    assert "data/MNIST/raw: " in lottery(*command).err


def test_a_run_is_named_by_its_normalisation_and_not_by_where_its_files_are(
    lottery: Lottery, folder: Path
) -> None:
    def run(root: str, *more: str) -> Path:
        command = ("dataset=mnist", f"dataset.root={root}", "dataset.batch_size=10", *more)
        done = lottery(*command, *TINY)
        assert done.code == 0, done.err
        return done.run

    write_mnist(folder / "here")
    write_mnist(folder / "there")
    first = run("here")
    assert run("there", "dataset.download=false", "dataset.base_url=http://x") == first
    other = run("here", "dataset.normalize=mean_std")
    assert other != first
    assert '"dataset.normalize": "mean_std"' in (other / "run.json").read_text()


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("dataset.normalize=max", "dataset.normalize=max"),
        ("dataset.name=emnist", "dataset.name=emnist: one of mnist, fashion_mnist"),
        ("dataset.download=perhaps", "dataset.download=perhaps"),
        ("dataset.root=''", "dataset.root="),
    ],
)
def test_wrong_values_are_one_line(
    lottery: Lottery, folder: Path, override: str, key: str
) -> None:
    done = lottery("dataset=mnist", override)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {key}")
    assert len(done.err.splitlines()) == 1
    assert snapshot(folder) == {}

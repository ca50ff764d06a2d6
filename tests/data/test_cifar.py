"""CIFAR-10 and CIFAR-100 from files on disk and from an archive: splits, refusals, downloads."""

import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch

from lottery.cli import data
from lottery.data import Cifar, DataError, Splits, origin
from tests.conftest import TINY, Lottery, snapshot
from tests.helpers.file_server import FileServer
from tests.helpers.toy_cifar import (
    NAMES,
    NUM_TEST,
    NUM_TRAIN,
    archive_of,
    numbers,
    serve_archive,
    serving_cifar,
    shrink_cifar,
    tar_gz,
    toy_cifar,
    write_cifar,
)

CIFAR = Cifar(
    name="cifar10",
    root="data",
    split_seed=0,
    normalize="mean_std",
    augment=False,
    download=False,
    base_url="",
)
CLASSES = {"cifar10": 10, "cifar100": 100}
BATCH = "dataset.batch_size=10"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_cifar(monkeypatch)


@pytest.fixture
def server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileServer]:
    with serving_cifar(monkeypatch, tmp_path_factory.mktemp("temporary")) as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_in_one_split_with_its_label(tmp_path: Path, name: str) -> None:
    write_cifar(tmp_path, name)
    splits = replace(CIFAR, name=name, root=str(tmp_path)).load()
    splits.check()
    assert splits.num_classes == CLASSES[name]
    assert splits.input_shape == (3, 32, 32)
    assert sorted(numbers(splits.train) + numbers(splits.val)) == list(range(NUM_TRAIN))
    per_class = {"cifar10": 3, "cifar100": 1}[name]  # a tenth, but one at least
    assert torch.bincount(splits.val.targets).tolist() == [per_class] * CLASSES[name]
    test = [256 * image[0, 0, 0] + image[0, 0, 1] for image in splits.test.inputs.long()]
    assert test == list(range(NUM_TRAIN, NUM_TRAIN + NUM_TEST))


def test_a_split_seed_redraws_validation_and_never_test(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    dataset = replace(CIFAR, root=str(tmp_path))
    splits, other = dataset.load(), replace(dataset, split_seed=1).load()
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    assert dataset.load().digest() == splits.digest()
    assert set(numbers(splits.val)) != set(numbers(other.val))
    assert torch.equal(splits.test.inputs, other.test.inputs)


def test_pixels_are_standardised_by_channel_or_in_0_to_1(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    for normalize, mean, std in (
        ("mean_std", [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
        ("unit", [0.0] * 3, [1.0] * 3),
    ):
        val = replace(CIFAR, root=str(tmp_path), normalize=normalize).load().val
        inputs, _ = val.batch(slice(5))
        channels = (torch.tensor(statistic).view(3, 1, 1) for statistic in (mean, std))
        torch.testing.assert_close(
            inputs, ((val.inputs[:5] / 255) - next(channels)) / next(channels)
        )


FILE = toy_cifar("cifar10")["data_batch_2.bin"]
BAD = {
    "cut": (FILE[:-1], "184379 bytes, 184380 expected: 60 images of 3073"),
    "one image less": (FILE[:-3073], "181307 bytes, 184380 expected: 60 images of 3073"),
    "one byte more": (FILE + b"0", "184381 bytes, 184380 expected: 60 images of 3073"),
    "empty": (b"", "0 bytes, 184380 expected"),
    "label": (FILE[:3073] + b"\n" + FILE[3074:], "image 2 has the label 10, 0 to 9 expected"),
}


@pytest.mark.parametrize("fault", BAD)
def test_files_that_are_not_what_they_should_be_are_one_line(
    lottery: Lottery, folder: Path, fault: str
) -> None:
    content, reason = BAD[fault]
    write_cifar(folder / "data", changed={"data_batch_2.bin": content})
    before = snapshot(folder)
    done = lottery("dataset=cifar10", "dataset.root=data")
    assert (done.code, done.out) == (2, "")
    start = "error: dataset: data/cifar-10-batches-bin/data_batch_2.bin: "
    assert done.err.startswith(f"{start}{reason}")
    assert len(done.err.splitlines()) == 1
    assert snapshot(folder) == before


@pytest.mark.parametrize("setting", ["dataset.download=false", "dry_run=true"])
def test_without_a_download_a_missing_file_is_one_line_and_leaves_no_trace(
    lottery: Lottery, folder: Path, server: FileServer, setting: str
) -> None:
    (write_cifar(folder / "data") / "test_batch.bin").unlink()
    before = snapshot(folder)
    where = ("dataset.root=data", f"dataset.base_url={server.url}")
    done = lottery("dataset=cifar10", *where, setting)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: dataset: data/cifar-10-batches-bin: test_batch.bin is missing; "
        f"to fetch it from {server.url}: lottery-data download cifar10 --root data"
    ]
    assert snapshot(folder) == before
    assert server.requests == []


@pytest.mark.parametrize("name", NAMES)
def test_a_run_fetches_the_archive_once_and_keeps_what_it_reads(
    lottery: Lottery, folder: Path, server: FileServer, name: str
) -> None:
    where = ("dataset.root=data", f"dataset.base_url={server.url}")
    done = lottery(f"dataset={name}", *where, BATCH, *TINY)
    assert done.code == 0, done.err
    found = {path.name: path.read_bytes() for path in folder.glob("data/*/*")}
    assert found == toy_cifar(name)
    assert len(list((folder / "data").rglob("*"))) == 1 + len(found)
    assert lottery(f"dataset={name}", *where, BATCH, *TINY, "seed=1").code == 0
    assert len(server.requests) == 1


def test_lottery_data_fetches_what_is_missing(
    folder: Path,
    server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = write_cifar(folder / "data") / "data_batch_3.bin"
    path.unlink()
    command = ["lottery-data", "download", "cifar10", "--root", "data", "--base-url", server.url]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    data.main()
    counts = "270 train, 30 validation, 20 test"
    assert capfd.readouterr().out == f"data/cifar-10-batches-bin: {counts}\n"
    assert path.read_bytes() == toy_cifar("cifar10")["data_batch_3.bin"]


def _without_a_file() -> bytes:
    files = archive_of("cifar10")
    del files["cifar-10-batches-bin/data_batch_4.bin"]
    return tar_gz(files)


def _link_in_place_of_a_file() -> bytes:
    return tar_gz(archive_of("cifar10") | {"cifar-10-batches-bin/data_batch_1.bin": "/etc/passwd"})


ARCHIVES = {
    "a file is missing": (_without_a_file, "no cifar-10-batches-bin/data_batch_4.bin in it"),
    "a link": (_link_in_place_of_a_file, "cifar-10-batches-bin/data_batch_1.bin is no plain file"),
    "no archive": (lambda: b"<html>Please log in</html>", "not a gzip file"),
    "cut": (lambda: tar_gz(archive_of("cifar10"))[:2000], "[Ee]nd"),
}


@pytest.mark.parametrize("fault", ARCHIVES)
def test_an_archive_that_is_not_what_it_should_be_is_one_line(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    make, reason = ARCHIVES[fault]
    serve_archive(monkeypatch, server, "cifar10", make())
    _assert_refused(server, tmp_path, reason)


def test_an_archive_with_another_digest_is_not_opened(server: FileServer, tmp_path: Path) -> None:
    server.files["cifar-10-binary.tar.gz"] += b"0"
    _assert_refused(server, tmp_path, "content with sha256 .*, expected ")
    assert not (tmp_path / "data").exists()


def test_a_server_without_the_archive_is_one_line(server: FileServer, tmp_path: Path) -> None:
    server.files.clear()
    _assert_refused(server, tmp_path, "cannot be downloaded .*404")
    assert not (tmp_path / "data").exists()


def test_a_full_disk_is_one_line_and_leaves_no_half_file(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_half(source: IO[bytes], target: IO[bytes]) -> None:
        target.write(source.read(100))
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(origin.shutil, "copyfileobj", copy_half)
    _assert_refused(server, tmp_path, "No space left")


def _assert_refused(server: FileServer, tmp_path: Path, reason: str) -> None:
    """One line that says where from, and nothing of the archive's but whole files of ours."""
    root = tmp_path / "data"
    dataset = replace(CIFAR, root=str(root), download=True, base_url=server.url)
    with pytest.raises(DataError, match=reason) as caught:
        dataset.load()
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    assert line.endswith(f"lottery-data download cifar10 --root {root}")
    written = {path.name: path.read_bytes() for path in dataset.folder.glob("*")}
    assert written.items() <= toy_cifar("cifar10").items()
    assert {path.name for path in tmp_path.iterdir()} <= {"data"}


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("dataset.normalize=max", "dataset.normalize=max"),
        ("dataset.augment=1", "dataset.augment=1: true or false"),
        ("dataset.name=cifar20", "dataset.name=cifar20: one of cifar10, cifar100"),
    ],
)
def test_wrong_values_are_one_line(
    lottery: Lottery, folder: Path, override: str, key: str
) -> None:
    done = lottery("dataset=cifar10", override)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {key}")
    assert snapshot(folder) == {}


def test_the_splits_are_bytes(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    splits: Splits = replace(CIFAR, root=str(tmp_path)).load()
    for split in (splits.train, splits.val, splits.test):
        assert split.inputs.dtype == torch.uint8

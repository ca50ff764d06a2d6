"""What is no regular file in the place of a data file is one line, and nothing waits for it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.data import Cifar, DataError, Mnist, Tabular, Text, TinyImageNet
from tests.conftest import Lottery
from tests.helpers.toy_cifar import write_cifar
from tests.helpers.toy_image_folders import image_folder, write_images, write_list
from tests.helpers.toy_mnist import write_mnist
from tests.helpers.toy_tables import write_table
from tests.helpers.toy_tiny_imagenet import write_tiny_imagenet

pytestmark = pytest.mark.timeout(60)  # a read that waits fails


def _link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")  # it never ends


SPECIAL: dict[str, tuple[Callable[[Path], object], str]] = {
    "fifo": (os.mkfifo, "no regular file"),
    "folder": (Path.mkdir, "Is a directory"),
    "device": (_link_to_a_device, "no regular file"),
}
Loaded = tuple[Path, Callable[[], object]]  # a data file, and what reads it


def _mnist(folder: Path) -> Loaded:
    raw = write_mnist(folder)
    dataset = Mnist("mnist", str(folder), 0, "unit", download=False, base_url="http://x")
    return raw / "train-labels-idx1-ubyte.gz", dataset.load


def _cifar(folder: Path) -> Loaded:
    write_cifar(folder)
    dataset = Cifar(
        "cifar10", str(folder), 0, "unit", augment=False, download=False, base_url="http://x"
    )
    return dataset.folder / "data_batch_1.bin", dataset.load


def _table(folder: Path) -> Loaded:
    path = write_table(folder / "table.csv")
    dataset = Tabular(str(path), "target", [], [], "error", split_seed=0)
    return path, dataset.load


def _text(folder: Path) -> Loaded:
    path = folder / "text.txt"
    path.write_text("abc" * 100)
    return path, Text(str(path), length=3).load


def _list(folder: Path) -> Loaded:
    return write_list(write_images(folder), "path,label\n"), image_folder(folder).load


def _annotations(folder: Path) -> Loaded:
    write_tiny_imagenet(folder)
    dataset = TinyImageNet(str(folder), 0, "unit", "none", may_write=False)
    return folder / "tiny-imagenet-200/val/val_annotations.txt", dataset.load


def _tiny_image(folder: Path) -> Loaded:
    _, load = _annotations(folder)
    return next((folder / "tiny-imagenet-200/train").glob("*/images/*")), load


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("make", [_mnist, _cifar, _table, _text, _list, _annotations, _tiny_image])
def test_a_special_file_is_one_line(
    tmp_path: Path, make: Callable[[Path], Loaded], kind: str
) -> None:
    path, load = make(tmp_path)
    put, reason = SPECIAL[kind]
    path.unlink()
    put(path)
    with pytest.raises(DataError) as raised:
        load()
    line = str(raised.value)
    assert len(line.splitlines()) == 1
    assert path.name in line
    assert line.endswith(reason)


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("ending", ["npy", "sha256"])
def test_a_special_file_in_the_cache_is_made_again(tmp_path: Path, kind: str, ending: str) -> None:
    folder = write_images(tmp_path / "pets")
    first = image_folder(folder).load().digests()
    (path,) = (folder / ".lottery_cache").glob(f"*.{ending}")
    path.unlink()
    SPECIAL[kind][0](path)
    if kind == "folder":
        with pytest.raises(DataError, match=r"\.lottery_cache/.*: Is a directory"):
            image_folder(folder).load()
    else:
        assert image_folder(folder).load().digests() == first


@pytest.mark.parametrize(
    "words",
    [
        ("dataset=mnist", "dataset.root"),
        ("dataset=cifar10", "dataset.root"),
        ("dataset=tiny_imagenet", "dataset.root"),
        ("dataset=image_folder", "dataset.folder"),
        ("dataset=tabular", "dataset.file"),
    ],
    ids=lambda words: words[0],
)
def test_a_folder_that_cannot_be_looked_into_is_one_line(
    lottery: Lottery, words: tuple[str, str]
) -> None:
    dataset, key = words
    done = lottery(dataset, f"{key}={300 * 'a'}")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith(f"error: dataset: {300 * 'a'}")
    assert "File name too long" in done.err
    assert "Traceback" not in done.err

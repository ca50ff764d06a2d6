"""Folders of images: what is read from them, how it is split, and runs on them."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lottery.data import Splits
from lottery.data.image_list import read_list
from tests.conftest import TINY, Lottery
from tests.helpers.toy_image_folders import (
    RUN,
    SIZE,
    image_folder,
    write_image,
    write_images,
    write_list,
)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Ten cats, dark, and ten dogs, bright; no list."""
    return write_images(tmp_path / "pets")


def _parts(splits: Splits) -> list[list[int]]:
    """The rows of each split."""
    parts = [split.rows for split in (splits.train, splits.val, splits.test)]
    return [rows.tolist() for rows in parts if rows is not None]


def test_shares_are_stratified_and_every_image_is_in_one_split(pets: Path) -> None:
    splits = image_folder(pets).load()
    splits.check()
    assert splits.num_classes == 2
    assert splits.input_shape == (3, *SIZE)
    for split, count in ((splits.train, 7), (splits.val, 2), (splits.test, 1)):
        assert torch.bincount(split.targets).tolist() == [count, count]
        inputs, targets = split.batch(slice(20))
        assert torch.equal(inputs.mean((1, 2, 3)) > 0.5, targets == 1)  # dogs are bright
        assert inputs.dtype == torch.float32
        assert inputs.max() <= 1
    assert sorted(row for part in _parts(splits) for row in part) == list(range(20))


def test_a_split_seed_redraws_validation_and_test(pets: Path) -> None:
    splits, again, other = (image_folder(pets, split_seed=seed).load() for seed in (0, 0, 1))
    assert _parts(splits) == _parts(again)
    assert all(here != there for here, there in zip(_parts(splits), _parts(other), strict=True))
    assert splits.digests() == other.digests()


def test_the_list_may_say_the_splits_and_need_not_list_all(pets: Path) -> None:
    names = [f"{label}.{name}" for label in ("cat", "dog") for name in ("0.png", "1.jpg", "2.bmp")]
    splits = 2 * ("train", "val", "test")
    rows = [f"{split},{name},{name[:3]}\n" for name, split in zip(names, splits, strict=True)]
    write_list(pets, "split,path,label\n" + "".join(rows))
    assert _parts(image_folder(pets).load()) == [[0, 3], [1, 4], [2, 5]]
    assert _parts(image_folder(pets, split_seed=5).load()) == [[0, 3], [1, 4], [2, 5]]


def _in_folders(folder: Path, *folders: str) -> Path:
    """Ten images of each class in each folder; the folder of an image is in its content."""
    for number, name in enumerate(folders):
        for label, brightness in (("cat", 0), ("dog", 200)):
            for image in range(10):
                path = folder / name / label / f"{image}.png"
                write_image(path, brightness, 100 * number + image)
    return folder


def test_test_images_of_a_folder_are_never_trained_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _in_folders(tmp_path / "pets", "train", "test")
    with caplog.at_level(logging.INFO):
        splits = image_folder(folder).load()
    assert "splits by folder: 20 train, 20 test (no folder val: drawn from train)" in caplog.text
    names = [image.name for image in read_list(folder)]
    folders = [{names[row].split("/")[0] for row in part} for part in _parts(splits)]
    assert folders == [{"train"}, {"train"}, {"test"}]
    assert [len(part) for part in _parts(splits)] == [16, 4, 20]
    other = image_folder(folder, split_seed=1).load()
    assert _parts(other)[2] == _parts(splits)[2]
    assert _parts(other)[1] != _parts(splits)[1]
    caplog.clear()
    with caplog.at_level(logging.INFO):
        image_folder(folder).load()
    assert "pets/metadata.csv names no val image: drawn from train" in caplog.text


def test_a_list_without_splits_is_warned_of_where_folders_name_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _in_folders(tmp_path / "pets", "train", "valid", "test")
    image_folder(folder).load()
    assert "no column split" not in caplog.text
    lines = (folder / "metadata.csv").read_text().splitlines()
    write_list(folder, "\n".join(line.rpartition(",")[0] for line in lines))
    image_folder(folder).load()
    assert "pets/metadata.csv has no column split" in caplog.text
    assert "also from those in test/ and valid/" in caplog.text


def test_splits_of_a_list_have_their_usual_names(pets: Path) -> None:
    names = [f"{label}.{name}" for label in ("cat", "dog") for name in ("0.png", "1.jpg", "2.bmp")]
    splits = 2 * ("Train", "validation", "test")
    rows = [f"{split},{name},{name[:3]}\n" for name, split in zip(names, splits, strict=True)]
    write_list(pets, "split,path,label\n" + "".join(rows))
    assert _parts(image_folder(pets).load()) == [[0, 3], [1, 4], [2, 5]]


def test_many_classes_are_numbered_in_alphabetical_order(tmp_path: Path) -> None:
    folder = write_images(tmp_path, ["newt", "ape", "cat"], count=5)
    splits = image_folder(folder).load()
    assert splits.num_classes == 3
    inputs, targets = splits.train.batch(slice(100))
    for label, brightness in ((0, 100), (1, 200), (2, 0)):  # ape, cat, newt
        mean = 255 * inputs[targets == label].mean()
        assert brightness < mean < brightness + 50


def test_names_with_commas_quotes_and_accents_are_found(pets: Path) -> None:
    (pets / "cat.0.png").rename(pets / 'a "cat", grün.png')
    rows = ['"a ""cat"", grün.png",cat', "cat.1.jpg,cat", "cat.2.bmp,cat"]
    rows += ["dog.0.png,dog", "dog.1.jpg,dog", "dog.2.bmp,dog"]
    write_list(pets, "\ufeffpath,label\r\n" + "\r\n".join(rows))  # as a spreadsheet writes it
    splits = image_folder(pets).load()
    assert [len(part) for part in _parts(splits)] == [2, 2, 2]


@pytest.mark.parametrize("count", [6, 11, 14])
def test_a_limit_takes_a_stratified_subset(pets: Path, count: int) -> None:
    splits = image_folder(pets, limit=count).load()
    targets = torch.cat([split.targets for split in (splits.train, splits.val, splits.test)])
    cats = int((targets == 0).sum())
    assert len(targets) == count
    assert abs(cats - count / 2) <= 0.5
    other = image_folder(pets, limit=count, split_seed=1).load()
    assert splits.digests() == other.digests()  # the same images
    assert image_folder(pets, limit=1000).load().digests() == image_folder(pets).load().digests()


def test_images_are_standardised_with_imagenets_statistics_or_in_0_to_1(pets: Path) -> None:
    unit, _ = image_folder(pets).load().val.batch(slice(4))
    standardised, _ = image_folder(pets, normalize="mean_std").load().val.batch(slice(4))
    mean, std = (
        torch.tensor(statistic).view(3, 1, 1)
        for statistic in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    torch.testing.assert_close(standardised, (unit - mean) / std)


def test_a_run_makes_the_list_says_so_and_goes_on(lottery: Lottery, folder: Path) -> None:
    write_images(folder / "pets")
    (folder / "pets" / "cat.99.png").write_bytes(b"no image")
    done = lottery(*RUN, *TINY)
    assert done.code == 0, done.err
    assert "pets: no metadata.csv; making it" in done.err
    assert "left out: cat.99.png: cannot be read: no image" in done.err
    assert "pets: 20 images: 10 cat, 10 dog; 1 left out" in done.err
    assert len((folder / "pets" / "metadata.csv").read_text().splitlines()) == 21
    again = lottery(*RUN, *TINY, "seed=1")
    assert "making it" not in again.err


def test_folders_of_other_names_are_other_runs_and_other_places_are_not(
    lottery: Lottery, folder: Path
) -> None:
    for path in ("pets", "there/pets", "others"):
        write_images(folder / path)

    def key(path: str, *more: str) -> str:
        done = lottery(*RUN, f"dataset.folder={path}", *TINY, *more)
        assert done.code == 0, done.err
        return done.run.parent.name

    here = key("pets")
    assert key("there/pets") == key(str(folder / "pets/")) == here
    assert key("others") != here
    assert key("pets", "dataset.image_size=[8,8]") != here
    assert key("pets", "dataset.limit=14") != here


def _label(folder: Path) -> None:
    path = folder / "metadata.csv"
    path.write_text(path.read_text().replace("cat.0.png,cat", "cat.0.png,dog"))


def _image(folder: Path) -> None:
    write_image(folder / "cat.0.png", 150)


@pytest.mark.parametrize(
    ("change", "named"), [(_label, "pets/metadata.csv"), (_image, "the images in pets/")]
)
def test_other_content_under_the_same_name_is_refused(
    lottery: Lottery, folder: Path, change: Callable[[Path], None], named: str
) -> None:
    pets = write_images(folder / "pets")
    run = lottery(*RUN, *TINY).run
    change(pets)
    done = lottery(*RUN, *TINY, "rounds=2")
    assert done.code == 2
    line = f"error: {run}: began with other content of {named};"
    assert done.err.splitlines()[-1].startswith(line)

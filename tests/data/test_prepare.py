"""`lottery-data prepare`: the list of a folder from its names, and what is left out of it."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from lottery.data import DataError
from lottery.data.image_list import read_list
from lottery.data.prepare import find_images
from tests.conftest import Done, snapshot
from tests.helpers.toy_image_folders import write_image, write_images

Prepare = Callable[..., Done]


@pytest.fixture
def prepare(lottery_data: Callable[..., Done]) -> Prepare:
    """`prepare("pets")` runs the command in this process."""
    return partial(lottery_data, "prepare")


def _rows(folder: Path) -> list[str]:
    return (folder / "metadata.csv").read_text(encoding="utf-8").splitlines()


def test_six_images_by_the_prefix_of_their_names(prepare: Prepare, folder: Path) -> None:
    write_images(folder / "pets", count=3)
    done = prepare("pets")
    counts = "6 images: 3 cat, 3 dog; 0 left out"
    assert done == Done(0, f"pets/metadata.csv: {counts}\n", "")
    assert _rows(folder / "pets") == [
        "path,label",
        "cat.0.png,cat",
        "cat.1.jpg,cat",
        "cat.2.bmp,cat",
        "dog.0.png,dog",
        "dog.1.jpg,dog",
        "dog.2.bmp,dog",
    ]


NAMES = {
    "cat/1.png": "cat",
    "cat/more/dog.2.png": "cat",  # the folder's name comes before the prefix
    "big dog/x.png": "big dog",
    "cat.123.png": "cat",
    "dog_7.PNG": "dog",
    "big cat (12).png": "big cat",
    "a.b.3.png": "a.b",
    "bird-0004.png": "bird",
}


def test_classes_from_folders_and_names(prepare: Prepare, folder: Path) -> None:
    for number, name in enumerate(NAMES):
        write_image(folder / "pets" / name, 10, number)
    assert prepare("pets").code == 0
    listed = {image.name: image.label for image in read_list(folder / "pets")}
    assert listed == NAMES


def test_what_cannot_be_used_is_named_and_left_out(prepare: Prepare, folder: Path) -> None:
    pets = write_images(folder / "pets", count=2)
    (pets / "copy.1.png").write_bytes((pets / "cat.0.png").read_bytes())
    (pets / "dog.7.jpg").write_bytes((pets / "dog.1.jpg").read_bytes()[:-40])
    (pets / "dog.8.jpg").write_text("no image")
    (pets / "dog.9.png").symlink_to(folder / "nowhere")
    write_image(folder / "secret.png", 30)
    (pets / "dog.10.png").symlink_to(folder / "secret.png")
    write_image(pets / "42.png", 60)
    write_image(pets / ".hidden.1.png", 70)
    write_image(pets / ".hidden" / "dog.1.png", 70)
    (pets / "readme.txt").write_text("not an image, and not said to be one")
    done = prepare("pets")
    assert done.out == "pets/metadata.csv: 4 images: 2 cat, 2 dog; 6 left out\n"
    lines = [
        "left out: 42.png: no class in its name, as in cat.123.jpg, or its folder's",
        "left out: copy.1.png: the same bytes as cat.0.png",
        "left out: dog.10.png: outside of the folder",
        "left out: dog.7.jpg: cannot be read: ",
        "left out: dog.8.jpg: cannot be read: no image",
        "left out: dog.9.png: ",
    ]
    for expected, line in zip(lines, done.err.splitlines(), strict=True):
        assert line.startswith(expected)
    assert len(_rows(pets)) == 5


def test_a_name_that_is_no_utf_8_is_left_out(prepare: Prepare, folder: Path) -> None:
    pets = write_images(folder / "pets", count=2)
    odd = os.fsencode(pets) + b"/cat.\xe2.5.png"
    os.rename(pets / "cat.0.png", odd)  # noqa: PTH104
    done = prepare("pets")
    assert done.out == "pets/metadata.csv: 3 images: 1 cat, 2 dog; 1 left out\n"
    assert done.err == "left out: cat.\\udce2.5.png: its name is not UTF-8\n"


def _write(folder: Path, *folders: str) -> None:
    """A cat and a dog in each of the folders."""
    number = 0
    for name in folders:
        for label in ("cat", "dog"):
            number += 1
            write_image(folder / name / f"{label}.{number}.png", 10, number)


# folders of images: splits of the list by folder, and what is said of them
SPLITS = {
    ("train/cat", "train/dog", "val/cat", "val/dog", "test/cat", "test/dog"): (
        {"train": "train", "val": "val", "test": "test"},
        "; splits by folder: 4 train, 4 val, 4 test; 0 left out",
    ),
    ("train", "Validation", "test1"): (
        {"train": "train", "Validation": "val", "test1": "test"},
        "6 images: 3 cat, 3 dog; splits by folder: 2 train, 2 val, 2 test; 0 left out",
    ),
    ("Training", "valid"): (
        {"Training": "train", "valid": "val"},
        "; splits by folder: 2 train, 2 val (no folder test: drawn from train); 0 left out",
    ),
    ("train", "test"): (
        {"train": "train", "test": "test"},
        "; splits by folder: 2 train, 2 test (no folder val: drawn from train); 0 left out",
    ),
    ("train",): ({"train": None}, "2 images: 1 cat, 1 dog; 0 left out"),
    ("train", "test", "."): (
        {"train": "train", "test": "test"},
        "; splits by folder: 2 train, 2 test (no folder val: drawn from train); 2 left out",
    ),
}


@pytest.mark.parametrize("folders", SPLITS, ids=" ".join)
def test_folders_of_splits_are_splits(
    prepare: Prepare, folder: Path, folders: tuple[str, ...]
) -> None:
    splits, said = SPLITS[folders]
    _write(folder / "pets", *folders)
    done = prepare("pets")
    assert done.out.strip().endswith(said)
    listed = read_list(folder / "pets")
    assert {(image.name.split("/")[0], image.split) for image in listed} == set(splits.items())
    assert {image.label for image in listed} == {"cat", "dog"} or "/" in folders[0]
    left_out = [line for line in done.err.splitlines() if "in none of the folders" in line]
    assert len(left_out) == 2 * ("." in folders)


def test_a_list_is_not_overwritten_unless_told(prepare: Prepare, folder: Path) -> None:
    pets = write_images(folder / "pets", count=2)
    (pets / "metadata.csv").write_text("mine")
    before = snapshot(folder)
    done = prepare("pets")
    line = "error: pets/metadata.csv: is there already; --force replaces it\n"
    assert done == Done(2, "", line)
    assert snapshot(folder) == before
    assert prepare("pets", "--force").code == 0
    assert len(_rows(pets)) == 5


@pytest.mark.parametrize("case", ["nowhere", "empty", "one class"])
def test_a_folder_without_two_classes_is_one_line(
    prepare: Prepare, folder: Path, case: str
) -> None:
    (folder / "empty").mkdir()
    write_images(folder / "one class", classes=["cat"], count=3)
    before = snapshot(folder)
    done = prepare(case)
    reasons = {
        "nowhere": "No such file or directory",
        "empty": "0 images; 0 left out; two classes or more expected",
        "one class": "3 images: 3 cat; 0 left out; two classes or more expected",
    }
    assert done == Done(2, "", f"error: {case}: {reasons[case]}\n")
    assert snapshot(folder) == before


def test_the_order_of_the_list_is_that_of_the_names(tmp_path: Path) -> None:
    write_images(tmp_path, count=12)
    names = [name for name, _, _ in find_images(tmp_path).rows]
    assert names == sorted(names)


def test_a_folder_that_cannot_be_written_is_one_line(
    prepare: Prepare, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(folder / "pets", count=2)
    (folder / "pets" / ".metadata.csv.part").mkdir()  # where it is written aside
    done = prepare("pets")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: pets/metadata.csv: ")
    with pytest.raises(DataError, match="two classes"):
        find_images(folder / "pets" / ".metadata.csv.part")


def test_names_do_not_command_the_terminal(prepare: Prepare, folder: Path) -> None:
    write_images(folder / "pets", count=2)
    for label in ("cat", "dog"):
        write_image(folder / "pets" / "red\x1b[31m" / f"{label}.png", 10 if label == "cat" else 90)
    (folder / "pets" / "a\nb.1.png").write_bytes(b"no image")
    done = prepare("pets")
    assert done.err == "left out: a\\nb.1.png: cannot be read: no image\n"
    assert done.out == ("pets/metadata.csv: 6 images: 2 cat, 2 dog, 2 red\\x1b[31m; 1 left out\n")
    assert len(read_list(folder / "pets")) == 6


def test_a_linked_folder_is_named_and_not_followed(prepare: Prepare, folder: Path) -> None:
    write_images(folder / "pets", count=2)
    write_image(folder / "elsewhere" / "bird.png", 10)
    (folder / "pets" / "bird").symlink_to(folder / "elsewhere")
    (folder / "pets" / "again").symlink_to(folder / "pets")
    done = prepare("pets")
    assert done.err.splitlines() == [
        "left out: again: no regular file",
        "left out: bird: outside of the folder",
    ]
    assert done.out.endswith("4 images: 2 cat, 2 dog; 2 left out\n")

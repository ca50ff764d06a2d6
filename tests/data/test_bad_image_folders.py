"""Bad image folders are refused in one line that names the list and the row."""

import os
from pathlib import Path

import pytest

from tests.conftest import Done, Lottery, snapshot
from tests.helpers.toy_image_folders import RUN, write_image, write_images, write_list


def _corrupt(folder: Path) -> None:
    path = folder / "dog.1.jpg"
    path.write_bytes(path.read_bytes()[:-50])


def _outside(folder: Path) -> None:
    write_image(folder.parent / "secret.png", 0)
    (folder / "cat.0.png").unlink()
    (folder / "cat.0.png").symlink_to(folder.parent / "secret.png")


def _outside_by_a_folder(folder: Path) -> None:
    write_image(folder.parent / "elsewhere" / "1.png", 0)
    (folder / "more").symlink_to(folder.parent / "elsewhere")


def _fifo(folder: Path) -> None:
    (folder / "cat.0.png").unlink()
    os.mkfifo(folder / "cat.0.png")


HEADER = "path,label\n"
GOOD = "".join(
    f"{label}.{n}.{ending},{label}\n"
    for label in ("cat", "dog")
    for n, ending in enumerate(("png", "jpg", "bmp"))
)
ABSOLUTE = str(Path("/etc/passwd"))
LISTS: dict[str, tuple[str | bytes, str]] = {
    "no label column": ("path,class\n", "row 1: no column 'label'; found 'path', 'class'; path,"),
    "no path column": ("file,label\n", "row 1: no column 'path'; found 'file', 'label'; path,"),
    "capitals": ("Path,Label\n", "row 1: no column 'path'; found 'Path', 'Label'; path,label"),
    "spaces": ("path, label\n", "row 1: no column 'label'; found 'path', ' label'; path,label"),
    "semicolons": (
        "path;label\n",
        "row 1: no column 'path'; found 'path;label'; ',' expected between columns, not ';'\n",
    ),
    "tabs": ("path\tlabel\n", r"row 1: no column 'path'; found 'path\tlabel'; ',' expected be"),
    "empty file": ("", "row 1: no column 'path'; the file is empty; path,label and perhaps"),
    "no rows": (HEADER, "no image; two classes or more"),
    "one class": (HEADER + GOOD[: GOOD.index("dog")], "one class only, 'cat'; two classes"),
    "no such file": (HEADER + GOOD + "bird.png,bird\n", "row 8: bird.png: No such file"),
    "a folder": (HEADER + GOOD + ".,bird\n", "row 8: .: no regular file"),
    "no label": (HEADER + "cat.0.png,\n", "row 2: no label"),
    "half a row": (HEADER + "cat.0.png\n", "row 2: no label"),
    "no path": (HEADER + ",cat\n", "row 2: no path"),
    "twice": (HEADER + GOOD + "./cat.0.png,dog\n", "row 8: cat.0.png is in row 2 too"),
    "unknown split": ("path,label,split\ncat.0.png,cat,dev\n", "row 2: split 'dev': train, val"),
    "empty split": ("path,label,split\ncat.0.png,cat,\n", "row 2: no split"),
    "absolute": (HEADER + f"{ABSOLUTE},cat\n", f"row 2: {ABSOLUTE}: outside of the folder"),
    "upwards": (HEADER + "../a.png,cat\n", "row 2: ../a.png: outside of the folder"),
    "upwards inside": (HEADER + "x/../../a.png,cat\n", "row 2: x/../../a.png: outside"),
    "a link": (HEADER + GOOD, "row 2: cat.0.png: outside of the folder"),
    "a linked folder": (HEADER + "more/1.png,cat\n", "row 2: more/1.png: outside of the folder"),
    "corrupt": (HEADER + GOOD, "row 6: dog.1.jpg cannot be read: "),
    "latin-1": (HEADER.encode() + b"cat.0.png,ch\xe2t\n", "row 2: not UTF-8"),
    "utf-16": ((HEADER + GOOD).encode("utf-16"), "row 1: encoded in UTF-16, not in UTF-8"),
    "utf-16, other end first": (
        b"\xfe\xff" + (HEADER + GOOD).encode("utf-16-be"),
        "row 1: encoded in UTF-16, not in UTF-8",
    ),
    "utf-16 without a mark": (
        (HEADER + GOOD).encode("utf-16-le"),
        "row 1: encoded in UTF-16, not in UTF-8; save it as UTF-8\n",
    ),
    "a line end in a name": (HEADER + '"a\nb.png",cat\n', r"row 3: a\nb.png: No such file"),
    "a command for the terminal": (HEADER + "\x1b[2J,cat\n", r"row 2: \x1b[2J: No such file"),
    "a zero in a name": (HEADER + "a\0b.png,cat\n", "row 2: "),
    "a long name": (HEADER + 300 * "a" + ",cat\n", "row 2: " + 300 * "a" + ": File name too"),
    "a long cell": (HEADER + 200_000 * "a" + ",cat\n", "row 2: field larger than field limit"),
    "a fifo": (HEADER + GOOD, "row 2: cat.0.png: no regular file\n"),
    "classes that differ by spaces": (
        HEADER + GOOD + "cat.3.gif, cat\n",
        "labels ' cat' and 'cat' differ by spaces only\n",
    ),
    "quote": (HEADER + '"cat.0.png,cat\n', "row 2: unexpected end of data"),
    "no test image of a class": (
        "path,label,split\ncat.0.png,cat,train\ncat.1.jpg,cat,val\ncat.2.bmp,cat,test\n"
        "dog.0.png,dog,train\ndog.1.jpg,dog,val\n",
        "no test image of class 'dog'",
    ),
    "too few of a class": (HEADER + GOOD + "cat.3.gif,bird\n", "no train image of class 'bird'"),
}
PREPARED = {
    "corrupt": _corrupt,
    "a link": _outside,
    "a fifo": _fifo,
    "a linked folder": _outside_by_a_folder,
}


def _assert_refused(done: Done, line: str) -> None:
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1, done.err
    assert done.err.startswith(f"error: dataset: {line}"), done.err


@pytest.mark.parametrize("fault", LISTS)
def test_bad_data_is_one_line_and_leaves_no_trace(
    lottery: Lottery, folder: Path, fault: str
) -> None:
    pets = write_images(folder / "pets")
    content, reason = LISTS[fault]
    data = content if isinstance(content, bytes) else content.encode()
    (pets / "metadata.csv").write_bytes(data)
    PREPARED.get(fault, lambda folder: None)(pets)
    before = snapshot(folder)
    _assert_refused(lottery(*RUN), f"pets/metadata.csv: {reason}")
    left = {name for name in snapshot(folder) if ".lottery_cache" not in name}
    assert left == before.keys()
    assert not list(pets.rglob("*.npy"))


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["dataset.folder=nowhere"], "dataset: nowhere: No such file or directory"),
        (["dataset.folder=a_file"], "dataset: a_file: Not a directory"),
        ([f"dataset.folder={300 * 'a'}"], f"dataset: {300 * 'a'}/metadata.csv: File name"),
        (["dataset.folder=empty"], "dataset: empty: 0 images"),
        (["dataset.limit=2"], "dataset: pets/metadata.csv: no train image of class 'cat' among 2"),
        (["dataset.image_size=[8]"], "dataset.image_size=[8]: two whole numbers >= 1"),
        (["dataset.image_size=[8,0]"], "dataset.image_size=[8, 0]: two whole numbers >= 1"),
        (["dataset.image_size=128"], "dataset.image_size=128: two whole numbers >= 1"),
        (["dataset.normalize=max"], "dataset.normalize=max: one of unit, mean_std"),
        (["dataset.folder=''"], "dataset.folder=: a text"),
    ],
)
def test_wrong_values_are_one_line(
    lottery: Lottery, folder: Path, overrides: list[str], line: str
) -> None:
    pets = write_images(folder / "pets")
    write_list(pets, HEADER + GOOD)
    (folder / "a_file").write_text("")
    (folder / "empty").mkdir()
    done = lottery(*RUN, *overrides)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith(f"error: {line}"), done.err

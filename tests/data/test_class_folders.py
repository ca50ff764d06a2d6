"""The list of a folder of class folders: order, classes, digest, and what is wrong with one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.data import DataError
from lottery.data.class_folders import check_same_classes, list_class_folders


def _fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


NAMES = ("dog/b.jpg", "cat/10.JPEG", "cat/9.png", "cat/images/x.jpeg", "dog/ä.jpg")


def test_images_in_the_order_of_their_names(tmp_path: Path) -> None:
    _fill(tmp_path, *NAMES, "cat/readme.txt", "cat/.hidden.jpg", ".trash/a.jpg", "list.csv")
    listed = list_class_folders(tmp_path)
    names = [str(listed.path(row).relative_to(tmp_path)) for row in range(len(listed))]
    assert names == ["cat/10.JPEG", "cat/9.png", "cat/images/x.jpeg", "dog/b.jpg", "dog/ä.jpg"]
    assert listed.classes == ("cat", "dog")
    assert listed.labels.tolist() == [0, 0, 0, 1, 1]


def test_the_digest_is_of_names_and_sizes(tmp_path: Path) -> None:
    digest = list_class_folders(_fill(tmp_path, *NAMES)).digest
    image = tmp_path / "dog/b.jpg"
    image.write_bytes(b"same size")
    assert list_class_folders(tmp_path).digest == digest
    image.write_bytes(b"another size")
    assert list_class_folders(tmp_path).digest != digest
    image.write_bytes(b"same size")
    image.rename(tmp_path / "dog/c.jpg")
    assert list_class_folders(tmp_path).digest != digest


def _break_link(folder: Path) -> None:
    (_fill(folder, *NAMES) / "cat/a.jpg").symlink_to("nowhere")


MISTAKES: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: folder.rmdir(), ": No such file or directory"),
    (lambda folder: _fill(folder, "cat/a.jpg"), ": 1 folders of classes; two or more expected"),
    (lambda folder: _fill(folder, "cat/a.jpg", "dog/a.txt"), "/dog: no image (.bmp, "),
    (_break_link, "/cat/a.jpg: No such file or directory"),
]


@pytest.mark.parametrize(("spoil", "line"), MISTAKES)
def test_mistakes(tmp_path: Path, spoil: Callable[[Path], object], line: str) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    spoil(folder)
    with pytest.raises(DataError) as refused:
        list_class_folders(folder)
    assert str(refused.value).startswith(f"{folder}{line}")


def test_both_parts_must_have_the_same_classes(tmp_path: Path) -> None:
    train = list_class_folders(_fill(tmp_path / "train", *NAMES))
    val = list_class_folders(_fill(tmp_path / "val", "cat/a.jpg", "eel/a.jpg"))
    with pytest.raises(DataError, match=r"val: no folder dog, a class of .*train$"):
        check_same_classes(train, val)

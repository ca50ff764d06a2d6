"""Tiny ImageNet's folder: splits, classes, cache, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lottery.data import DataError, ResizedCropAndFlip, Split, Splits, TinyImageNet
from tests.conftest import TINY, Lottery, snapshot
from tests.helpers.toy_tiny_imagenet import CLASSES, write_tiny_imagenet

RUN = ("dataset=tiny_imagenet", "dataset.root=data", "dataset.batch_size=10", "model.rates=[]")


def _dataset(root: Path, **changes: object) -> TinyImageNet:
    given = TinyImageNet(str(root), 0, "unit", "none", may_write=True)
    return replace(given, **changes)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_tiny_imagenet(tmp_path)
    return tmp_path


def _rows(split: Split) -> set[int]:
    assert split.rows is not None
    return set(split.rows.tolist())


def _parts(splits: Splits) -> list[Split]:
    return [splits.train, splits.val, splits.test]


def test_every_image_is_in_one_split_with_its_class(root: Path) -> None:
    splits = _dataset(root).load()
    splits.check()
    assert splits.num_classes == 3
    assert splits.input_shape == (3, 64, 64)
    for part, count in zip(_parts(splits), (18, 2, 4), strict=True):
        assert torch.bincount(part.targets).tolist() == [count] * 3
        inputs, targets = part.batch(slice(60))
        brightness = (255 * inputs.mean((1, 2, 3)) / 80).floor()  # 0 to 40, 80 to 120 ...
        assert torch.equal(brightness.long(), targets)
    rows = [_rows(part) for part in _parts(splits)]
    assert set.union(*rows) == set(range(72))
    assert rows[2] == set(range(60, 72))


def test_the_split_seed_draws_validation_out_of_training(root: Path) -> None:
    splits, again, other = (_dataset(root, split_seed=seed).load() for seed in (0, 0, 1))
    assert _rows(splits.val) == _rows(again.val) != _rows(other.val)
    assert _rows(splits.test) == _rows(other.test)
    assert splits.digests() == other.digests()


def test_images_are_standardised_and_only_training_ones_augmented(root: Path) -> None:
    unit = _dataset(root).load()
    splits = _dataset(root, normalize="mean_std", augment="resized_crop_flip").load()
    mean = torch.tensor([0.4802, 0.4481, 0.3975]).view(3, 1, 1)
    std = torch.tensor([0.2770, 0.2691, 0.2821]).view(3, 1, 1)
    expected = (unit.val.batch(slice(4))[0] - mean) / std
    torch.testing.assert_close(splits.val.batch(slice(4))[0], expected)
    assert splits.train.augmentation == ResizedCropAndFlip()
    assert splits.val.augmentation is splits.test.augmentation is None


def test_images_are_decoded_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _dataset(root).load()
    monkeypatch.setattr("lottery.data.image_cache.decode", None)
    again = _dataset(root, split_seed=1).load()
    assert again.digests() == first.digests()


def test_nothing_is_written_where_it_may_not_be(root: Path) -> None:
    before = snapshot(root)
    digests = _dataset(root, may_write=False).load().digests()
    assert snapshot(root) == before
    assert digests == _dataset(root).load().digests()


TRAIN = Path("train") / CLASSES[1] / "images"
ANNOTATIONS = Path("val") / "val_annotations.txt"


def _remove_class(folder: Path) -> None:
    for path in (folder / TRAIN).iterdir():
        path.unlink()
    (folder / TRAIN).rmdir()


def _cut_off(folder: Path) -> None:
    path = folder / TRAIN / f"{CLASSES[1]}_7.JPEG"
    path.write_bytes(path.read_bytes()[:-200])


def _edit(old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / ANNOTATIONS
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return edit


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a class without images": (_remove_class, f"{TRAIN}: No such file or directory"),
    "an image too few": (
        lambda folder: (folder / TRAIN / f"{CLASSES[1]}_7.JPEG").unlink(),
        f"train: 19 images of {CLASSES[1]} and 20 of {CLASSES[0]}, the same number expected",
    ),
    "cut off": (_cut_off, f"tiny-imagenet-200: {TRAIN}/{CLASSES[1]}_7.JPEG cannot be read: "),
    "a link to nothing": (
        lambda folder: (folder / TRAIN / "linked.JPEG").symlink_to("nowhere"),
        f"{TRAIN}/linked.JPEG: No such file or directory",
    ),
    "no annotations": (
        lambda folder: (folder / ANNOTATIONS).unlink(),
        f"{ANNOTATIONS}: No such file or directory",
    ),
    "latin-1": (
        lambda folder: (folder / ANNOTATIONS).write_bytes(b"\xff"),
        f"{ANNOTATIONS}: row 1: not UTF-8",
    ),
    "half a row": (
        _edit(f"val_4.JPEG\t{CLASSES[1]}\t0\t32\t44\t62", "val_4.JPEG"),
        f"{ANNOTATIONS}: row 6: an image, a tab and its class expected",
    ),
    "no such image": (_edit("val_4.JPEG", "val_99.JPEG"), "row 6: val_99.JPEG is not in val"),
    "an image twice": (_edit("val_4.JPEG", "val_0.JPEG"), "row 6: val_0.JPEG is not in val"),
    "no row": (_edit(f"val_4.JPEG\t{CLASSES[1]}\t0\t32\t44\t62\n", ""), "no row for val_4.JPEG"),
    "another class": (_edit(CLASSES[1], CLASSES[0]), f"val: 3 images of {CLASSES[1]} and 5 of"),
    "no images in val": (
        lambda folder: (folder / ANNOTATIONS).write_text(""),
        f"{ANNOTATIONS}: no row for val_0.JPEG",
    ),
    "not the archive's folder": (
        lambda folder: folder.rename(folder.with_name("tiny")),
        "tiny-imagenet-200: no such folder; it comes from unpacking http://cs231n.stanford.edu/",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_folders_are_refused_in_one_line(root: Path, name: str) -> None:
    change, line = BAD[name]
    change(root / "tiny-imagenet-200")
    with pytest.raises(DataError) as raised:
        _dataset(root).load()
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_class_of_one_part_only_is_refused(root: Path) -> None:
    path = root / "tiny-imagenet-200" / ANNOTATIONS
    path.write_text(path.read_text().replace(CLASSES[1], "n09999999"))
    with pytest.raises(DataError, match=f"class {CLASSES[1]} is in one of train and val only"):
        _dataset(root).load()


def test_a_run_with_random_crops_goes_on_and_other_images_are_refused(
    lottery: Lottery, folder: Path
) -> None:
    write_tiny_imagenet(folder / "data")
    crops = ("dataset.augment=resized_crop_flip", "logger=none")
    done = lottery(*RUN, *TINY, *crops)
    assert done.code == 0, done.err
    (folder / "data").rename(folder / "moved")
    moved = (*RUN[:1], "dataset.root=moved", *RUN[2:], *TINY, *crops)
    assert lottery(*moved, "rounds=2").run == done.run
    _edit(f"val_4.JPEG\t{CLASSES[1]}", f"val_4.JPEG\t{CLASSES[0]}")(
        folder / "moved" / "tiny-imagenet-200"
    )
    _edit(f"val_0.JPEG\t{CLASSES[0]}", f"val_0.JPEG\t{CLASSES[1]}")(
        folder / "moved" / "tiny-imagenet-200"
    )
    changed = lottery(*moved, "rounds=3")
    assert changed.code == 2
    assert "began with other content of tiny-imagenet-200/labels" in changed.err.splitlines()[-1]

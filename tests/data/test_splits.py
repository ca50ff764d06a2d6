"""The splits of a dataset: sizes, no example twice, what a split seed changes, the digest."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lottery.data import DataError, Digits, Split, Splits


@pytest.fixture(scope="module")
def digits() -> Splits:
    return Digits(split_seed=0).load()


def _parts(splits: Splits) -> dict[str, Split]:
    return {"train": splits.train, "val": splits.val, "test": splits.test}


def test_digits_have_the_stated_sizes(digits: Splits) -> None:
    assert {name: len(part) for name, part in _parts(digits).items()} == {
        "train": 1200,
        "val": 300,
        "test": 297,
    }
    assert digits.num_classes == 10
    assert digits.input_shape == (1, 8, 8)


def test_digits_are_float_pixels_in_0_to_1_and_class_numbers(digits: Splits) -> None:
    for part in _parts(digits).values():
        assert part.inputs.dtype == torch.float32
        assert part.inputs.min() == 0.0
        assert part.inputs.max() == 1.0
        assert part.targets.dtype == torch.int64
        assert part.targets.unique().tolist() == list(range(10))


def _images(part: Split) -> set[bytes]:
    return {image.numpy().tobytes() for image in part.inputs}


def test_digits_splits_share_no_image(digits: Splits) -> None:
    """All 1,797 images are different, so equal bytes would be the same example."""
    images = [_images(part) for part in _parts(digits).values()]
    assert len(images[0] | images[1] | images[2]) == 1797


def test_digits_keep_images_and_labels_together(digits: Splits) -> None:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    label_of = {
        image.tobytes(): label
        for image, label in zip((pixels / 16).astype("float32"), labels, strict=True)
    }
    for part in _parts(digits).values():
        for image, target in zip(part.inputs, part.targets, strict=True):
            assert label_of[image.numpy().tobytes()] == target


def test_digits_are_stratified(digits: Splits) -> None:
    whole = sum(_per_class(part) for part in _parts(digits).values())
    for part in _parts(digits).values():
        fair = whole * len(part) / 1797
        assert ((_per_class(part) - fair).abs() < 1.5).all()


def _per_class(part: Split) -> Tensor:
    return torch.bincount(part.targets, minlength=10)


def test_a_split_seed_redraws_validation_and_never_test(digits: Splits) -> None:
    again, other = Digits(split_seed=0).load(), Digits(split_seed=1).load()
    assert digits.digest() == again.digest()
    assert torch.equal(digits.test.inputs, other.test.inputs)
    assert torch.equal(digits.test.targets, other.test.targets)
    assert _images(digits.val) != _images(other.val)
    assert _images(digits.test).isdisjoint(_images(other.train) | _images(other.val))


def test_a_split_seed_is_independent_of_the_global_generator(digits: Splits) -> None:
    torch.manual_seed(5)
    assert Digits(split_seed=0).load().digest() == digits.digest()


def _small() -> Splits:
    parts = [Split(torch.arange(4.0).reshape(2, 2) + n, torch.tensor([0, 1])) for n in (0, 10, 20)]
    return Splits(*parts, num_classes=2)


def _raise_pixel(part: Split) -> None:
    part.inputs[1, 1] = torch.nextafter(part.inputs[1, 1], torch.tensor(99.0))


def _change_label(part: Split) -> None:
    part.targets[0] = 1


@pytest.mark.parametrize("name", ["train", "val", "test"])
@pytest.mark.parametrize("change", [_raise_pixel, _change_label])
def test_the_digest_sees_one_pixel_and_one_label(
    name: str, change: Callable[[Split], None]
) -> None:
    splits = _small()
    assert splits.digest() == _small().digest()
    change(_parts(splits)[name])
    assert splits.digest() != _small().digest()


def test_the_digest_sees_exchanged_splits() -> None:
    splits = _small()
    exchanged = Splits(splits.train, splits.test, splits.val, num_classes=2)
    assert exchanged.digest() != splits.digest()


def test_moving_changes_the_type_of_inputs_alone() -> None:
    moved = _small().to("cpu", torch.float64)
    assert {part.inputs.dtype for part in _parts(moved).values()} == {torch.float64}
    assert {part.targets.dtype for part in _parts(moved).values()} == {torch.int64}
    assert moved.num_classes == 2
    assert moved.val.inputs.tolist() == _small().val.inputs.tolist()


def test_inputs_without_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="3 inputs but 2 targets"):
        Split(torch.ones(3, 1), torch.ones(2))


GOOD = Split(torch.ones(4, 2), torch.tensor([0, 1, 0, 1]))
NUMBERS: Any = np.ones((4, 2)), np.array([0, 1, 0, 1])  # what people return instead of tensors
NO_SPLITS: dict[str, tuple[dict[str, Any], str]] = {
    "arrays": ({"val": Split(*NUMBERS)}, "the val split's inputs are a numpy.ndarray, no tensor"),
    "a list": (
        {"val": replace(GOOD, targets=[0, 1, 0, 1])},
        "the val split's targets are a list,",
    ),
    "a pair": ({"test": NUMBERS}, "the test split is a tuple, no lottery.data.Split"),
    "nothing": ({"train": None}, "the train split is a NoneType, no lottery.data.Split"),
    "fewer classes": ({"num_classes": 1}, "num_classes=1: a whole number >= 2 expected"),
    "a share": ({"num_classes": 2.0}, "num_classes=2.0: a whole number"),
}


def test_targets_that_are_no_classes_have_no_number_of_classes() -> None:
    numbers = replace(GOOD, targets=torch.ones(4))
    Splits(numbers, numbers, numbers).check()


def test_a_number_of_classes_may_be_numpys_or_torchs() -> None:
    for number in (np.int64(2), torch.tensor(2)):
        replace(Splits(GOOD, GOOD, GOOD, num_classes=2), num_classes=number).check()  # type: ignore[arg-type]


@pytest.mark.parametrize("case", NO_SPLITS)
def test_what_is_no_split_is_one_line(case: str) -> None:
    changes, line = NO_SPLITS[case]
    with pytest.raises(DataError, match=f"^{line}"):
        replace(Splits(GOOD, GOOD, GOOD, num_classes=2), **changes).check()

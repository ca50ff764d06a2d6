"""Random parts of images, resized: by hand, by their distribution, and in runs."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lottery.data import CropAndFlip, Draws, ResizedCropAndFlip, Scaling, Split
from lottery.data.image_augmentation import AUGMENTATIONS, make_augmentation
from tests.conftest import TINY, Lottery, tensor_files
from tests.helpers.toy_image_folders import RUN, SIZE, image_folder, write_images

ROW = [0, 40, 80, 120]  # an image of one row
TABLE = {
    # (left, width, mirrored) as shares of the row: the part in the row's size, by hand
    (0.0, 1.0, 0): [0, 40, 80, 120],
    (0.0, 1.0, 1): [120, 80, 40, 0],
    (0.25, 0.5, 0): [30, 50, 70, 90],  # four points half a pixel apart around the middle, 60
    (0.25, 0.5, 1): [90, 70, 50, 30],
    (0.0, 0.5, 0): [0, 10, 30, 50],  # the first lies outside of the outermost pixel's middle
    (0.5, 0.5, 0): [70, 90, 110, 120],
}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
@pytest.mark.parametrize("down", [False, True])
def test_parts_of_a_tiny_image(dtype: torch.dtype, down: bool) -> None:
    row = torch.tensor(ROW, dtype=dtype)
    images = torch.stack([row, row // 2]).expand(len(TABLE), 2, 4).unsqueeze(2)
    drawn = torch.tensor([[0.0, left, 1.0, width, mirror] for left, width, mirror in TABLE])
    if down:  # the same from top to bottom: only a mirror image is of left and right
        images = images.transpose(2, 3)
        drawn = drawn[:, [1, 0, 3, 2, 4]]
    changed = ResizedCropAndFlip()(images, drawn)
    assert changed.shape == images.shape
    assert changed.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    for part, (_, _, mirrored), expected in zip(changed, TABLE, TABLE.values(), strict=True):
        wanted = torch.tensor(expected[::-1] if down and mirrored else expected).to(part)
        torch.testing.assert_close(part[0].flatten(), wanted, rtol=0, atol=1e-3)
        torch.testing.assert_close(part[1], part[0] / 2, rtol=0, atol=1e-3)


def test_a_part_of_whole_pixels_is_what_resizing_it_gives() -> None:
    """Away from the part's edges: a resized crop knows nothing of the pixels beside it."""
    image = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    drawn = torch.tensor([[4 / 16, 6 / 24, 8 / 16, 12 / 24, 0]])
    cropped = image[..., 4:12, 6:18]
    resized = nn.functional.interpolate(cropped, (16, 24), mode="bilinear", align_corners=False)
    changed = ResizedCropAndFlip()(image, drawn)
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(changed[inside], resized[inside])


def _drawn() -> Tensor:
    return ResizedCropAndFlip().draw(100, 200, torch.Generator().manual_seed(0)).flatten(0, 1)


def test_parts_lie_inside_and_have_the_areas_and_ratios_of_the_paper() -> None:
    top, left, height, width, mirrored = _drawn().unbind(1)
    assert min(top.min(), left.min()) >= 0
    assert max((top + height).max(), (left + width).max()) <= 1 + 1e-6
    area, ratio = height * width, width / height
    assert 0.08 - 1e-6 <= area.min() < 0.1
    assert 0.95 < area.max() <= 1
    assert 3 / 4 - 1e-5 <= ratio.min() < 0.76
    assert 1.32 < ratio.max() <= 4 / 3 + 1e-5
    assert set(mirrored.tolist()) == {0.0, 1.0}
    for value, middle in ((mirrored, 0.5), (ratio.log(), 0.0), (top / (1 - height), 0.5)):
        assert float(value.mean()) == pytest.approx(middle, abs=0.02)
    # areas of up to 3/4 always fit, so they are as likely as each other
    small = area[area < 0.75]
    assert float(small.mean()) == pytest.approx((0.08 + 0.75) / 2, abs=0.01)


def test_a_part_that_never_fits_is_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ResizedCropAndFlip, "areas", (2.0, 3.0))
    drawn = _drawn()
    assert (drawn[:, :4] == torch.tensor([0.0, 0.0, 1.0, 1.0])).all()


def test_numbers_are_a_function_of_seed_key_and_step() -> None:
    def draws(seed: int = 0, key: int = 0) -> Draws:
        return Draws(ResizedCropAndFlip(), batch_size=4, seed=seed, key=key)

    whole = draws().steps(0, 250)
    assert torch.equal(draws().steps(98, 203), whole[98:203])
    for other in (draws(seed=1), draws(key=1)):
        assert not torch.equal(other.steps(0, 50), whole[:50])


def test_an_images_part_is_the_same_in_every_batch() -> None:
    """So that processes that share a batch, and blocks, change nothing."""
    images = torch.randint(256, (7, 3, 9, 5), dtype=torch.uint8)
    drawn = _drawn()[:7]
    whole = ResizedCropAndFlip()(images, drawn)
    for rows in (slice(0, 1), slice(1, 4), slice(4, 7)):
        assert torch.equal(ResizedCropAndFlip()(images[rows], drawn[rows]), whole[rows])


def test_bytes_are_scaled_after_they_are_augmented() -> None:
    images = torch.full((2, 3, 4, 4), 51, dtype=torch.uint8)
    scaling = Scaling.of([0.1] * 3, [0.5] * 3)
    split = Split(images, torch.arange(2), scaling, augmentation=ResizedCropAndFlip())
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        inputs, _ = split.to("cpu", dtype).batch(slice(2), _drawn()[:2])
        assert inputs.dtype == dtype
        torch.testing.assert_close(
            inputs.float(), torch.full((2, 3, 4, 4), 0.2), rtol=0.01, atol=0
        )
    assert (images == 51).all()


def test_names() -> None:
    made = [make_augmentation(name, (40, 64)) for name in AUGMENTATIONS]
    assert made == [None, CropAndFlip(0), CropAndFlip(5), ResizedCropAndFlip()]


def test_only_training_images_are_augmented(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "pets")
    for name in AUGMENTATIONS:
        splits = image_folder(folder, augment=name).load()
        assert splits.train.augmentation == make_augmentation(name, SIZE)
        assert splits.val.augmentation is splits.test.augmentation is None


def test_runs_on_an_image_folder(lottery: Lottery, folder: Path) -> None:
    write_images(folder / "pets")
    finals, paths = set(), set()
    for augment in AUGMENTATIONS:
        done = lottery(*RUN, *TINY, "logger=none", f"dataset.augment={augment}")
        assert done.code == 0, done.err
        finals.add(tensor_files(done.run)["rounds/00/final.safetensors"])
        paths.add(done.run)
    assert len(finals) == len(paths) == len(AUGMENTATIONS)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["dataset.augment=crop"], "dataset.augment=crop: one of none, flip, crop_flip, resized_"),
        (["dataset.augment=true"], "dataset.augment=true: one of none, flip"),
        (["dataset.augment=null"], "dataset.augment=null: one of none, flip"),
        (
            ["dataset.augment=flip", "model=vgg_16_head", "model.weights=random"],
            "dataset.augment: a frozen base needs false (for an image folder none)",
        ),
    ],
)
def test_what_is_no_augmentation_is_refused(
    lottery: Lottery, folder: Path, overrides: list[str], line: str
) -> None:
    write_images(folder / "pets")
    sized = ["dataset.image_size=[32,32]"] if "model=vgg_16_head" in overrides else []
    done = lottery(*RUN, *TINY, *overrides, *sized)
    assert done.code == 2
    assert line in done.err.splitlines()[-1]

"""Corrupted training data: what is drawn, by which seed, and that nothing else changes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lottery.api import load_run
from lottery.data import CropAndFlip, Split, Splits
from lottery.data.corruptions import Corruptions
from tests.conftest import TINY, Lottery, tensor_files
from tests.helpers.toy_image_folders import RUN, image_folder, write_images
from tests.helpers.toy_images import toy_images


def _split(count: int, first: int) -> Split:
    """Images whose values say which example and which place they are; ten classes."""
    places = torch.arange(12.0).reshape(3, 2, 2)
    numbers = torch.arange(first, first + count).reshape(-1, 1, 1, 1)
    return Split(100 * numbers + places, torch.arange(count) % 10)


SPLITS = Splits(_split(600, 0), _split(100, 1000), _split(100, 2000), num_classes=10)
NOTHING = Corruptions(subsample=1, random_labels=0, shuffle_pixels=False, seed=0)


def _train(**changes: float | bool) -> Split:
    """The training split, and that the others are the same objects as before."""
    corrupted = replace(NOTHING, **changes)(SPLITS)
    assert corrupted.val is SPLITS.val
    assert corrupted.test is SPLITS.test
    return corrupted.train


def test_neutral_values_change_nothing() -> None:
    assert _train() is SPLITS.train


def test_a_subsample_has_the_same_share_of_every_class() -> None:
    train = _train(subsample=0.25)
    assert torch.bincount(train.targets).tolist() == [15] * 10
    examples = (train.inputs[:, 0, 0, 0] / 100).long()
    assert len(set(examples.tolist())) == 150
    assert torch.equal(examples % 10, train.targets)


def test_an_exact_number_of_labels_is_drawn_among_all_classes() -> None:
    before = SPLITS.train.targets.clone()
    train = _train(random_labels=0.5)
    assert torch.equal(train.inputs, SPLITS.train.inputs)
    assert torch.equal(SPLITS.train.targets, before)  # the dataset's own are left as they are
    changed = train.targets != before
    # of 300 labels drawn anew each is the true one again one time in ten
    assert 250 <= int(changed.sum()) <= 290
    assert int((_train(random_labels=0.01).targets != before).sum()) <= 6
    everything = _train(random_labels=1.0).targets
    assert torch.bincount(everything, minlength=10).min() > 30
    assert 30 <= int((everything == before).sum()) <= 95


def test_each_image_is_shuffled_in_its_own_way_all_channels_together() -> None:
    before = SPLITS.train.inputs.clone()
    train = _train(shuffle_pixels=True)
    assert torch.equal(SPLITS.train.inputs, before)
    assert torch.equal(train.targets, SPLITS.train.targets)
    shuffled, flat = train.inputs.flatten(1), before.flatten(1)
    assert torch.equal(shuffled.sort(1).values, flat)  # the same values ...
    orders = {tuple((row % 100).tolist()) for row in shuffled}
    assert len(orders) > 590  # ... of 600 images, in an order of their own
    moved = (train.inputs % 100 // 4).long() != torch.arange(3).reshape(1, 3, 1, 1)
    assert moved.float().mean() == pytest.approx(2 / 3, abs=0.05)  # to another channel


def test_other_layouts_are_shuffled_too() -> None:
    last = SPLITS.train.inputs.contiguous(memory_format=torch.channels_last)
    train = replace(SPLITS.train, inputs=last)
    shuffled = replace(NOTHING, shuffle_pixels=True)(replace(SPLITS, train=train)).train
    assert torch.equal(shuffled.inputs, _train(shuffle_pixels=True).inputs)


def test_the_seed_draws_and_each_corruption_has_its_own_stream() -> None:
    both = _train(random_labels=0.5, shuffle_pixels=True)
    assert torch.equal(both.targets, _train(random_labels=0.5).targets)
    assert torch.equal(both.inputs, _train(shuffle_pixels=True).inputs)
    other = _train(random_labels=0.5, shuffle_pixels=True, seed=1)
    assert not torch.equal(both.targets, other.targets)
    assert not torch.equal(both.inputs, other.inputs)


def test_a_mapped_file_stays_as_it_is(tmp_path: Path) -> None:
    splits = image_folder(write_images(tmp_path / "pets")).load()
    assert splits.train.rows is not None
    mapped = splits.train.inputs.clone()
    corrupted = Corruptions(0.5, 0.5, shuffle_pixels=True, seed=0)(splits)
    assert corrupted.val is splits.val
    assert torch.equal(splits.train.inputs, mapped)
    train, fewer = corrupted.train, replace(NOTHING, subsample=0.5)(splits).train
    assert fewer.inputs is splits.train.inputs
    assert train.inputs.dtype == torch.uint8
    assert len(train) == len(fewer) == 8  # round(0.5 * 7) of each of two classes
    inputs, theirs = train.batch(slice(0, 7))[0], fewer.batch(slice(0, 7))[0]
    assert not torch.equal(inputs, theirs)
    assert torch.equal(inputs.flatten(1).sort(1).values, theirs.flatten(1).sort(1).values)


def test_augmentation_goes_on_from_the_shuffled_images() -> None:
    train = replace(SPLITS.train, augmentation=CropAndFlip(1))
    shuffled = replace(NOTHING, shuffle_pixels=True)(replace(SPLITS, train=train)).train
    as_it_is = torch.tensor([[1, 1, 0]])  # the crop in the middle, not mirrored
    assert torch.equal(shuffled.batch(slice(1), as_it_is)[0], shuffled.inputs[:1])


ALL = ("dataset.subsample=0.5", "dataset.random_labels=0.1", "dataset.shuffle_pixels=true")


@pytest.mark.parametrize("data", [(), RUN], ids=["digits", "image_folder"])
def test_a_run_on_corrupted_data(lottery: Lottery, folder: Path, data: tuple[str, ...]) -> None:
    if data:
        write_images(folder / "pets")
    clean = load_run(lottery(*TINY, *data, "rounds=0").run)
    corrupted = load_run(lottery(*TINY, *data, "rounds=0", *ALL).run)
    assert corrupted.path != clean.path
    assert corrupted.config["dataset.subsample"] == 0.5
    assert tensor_files(corrupted.path / "rounds") != tensor_files(clean.path / "rounds")
    first = "rounds/00/start.safetensors"
    assert (corrupted.path / first).read_bytes() == (clean.path / first).read_bytes()


def test_a_ticket_found_on_corrupted_data_trains_on_the_data_as_they_are(
    lottery: Lottery,
) -> None:
    trunk = load_run(lottery(*TINY, "dataset.random_labels=1").run)
    copy = load_run(lottery(*TINY, "criterion=copy", f"criterion.run={trunk.path}").run)
    clean = load_run(lottery(*TINY).run)
    masks, theirs = copy.masks(1), clean.masks(1)
    assert all(torch.equal(mask, trunk.masks(1)[name]) for name, mask in masks.items())
    assert any(not torch.equal(mask, theirs[name]) for name, mask in masks.items())
    for name, weights in copy.weights(0, "final").items():  # its dense round is the clean one
        assert torch.equal(weights, clean.weights(0, "final")[name])


@pytest.mark.usefixtures("thin_vgg")
def test_a_heads_features_are_of_the_corrupted_images(lottery: Lottery) -> None:
    head = (*toy_images(classes=2), "model=vgg_16_head", "model.weights=random", "rounds=0")
    whole = ("iterations=20", "evaluation.every=10", "trainer.threads=1", *head)
    finals = {}
    for override in ("dataset.subsample=1", *ALL[1:]):
        done = lottery(*whole, override)
        assert done.code == 0, done.err
        finals[override] = load_run(done.run).weights(0, "final")["output.weight"]
    assert len({tuple(weights.flatten().tolist()) for weights in finals.values()}) == 3

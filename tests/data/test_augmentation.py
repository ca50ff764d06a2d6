"""Random crops and mirror images: literally, by their numbers, and in training."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from lottery.config import ProcessRank
from lottery.data import CropAndFlip, Draws, Split
from lottery.data.augmentation import CHUNK
from lottery.imp import run_rounds
from tests.conftest import TINY, Lottery, result_tables, tensor_files
from tests.helpers.ranks import on_ranks
from tests.helpers.toy_cifar import shrink_cifar, write_cifar
from tests.helpers.toy_runs import BATCH, NUM_STEPS, ToyDropout, toy_fit, toy_imp

IMAGE = [[1, 2, 3], [4, 5, 6]]
TABLE = {
    # (down, right, mirrored): the crop of IMAGE, with a border of one black pixel
    (1, 1, 0): [[1, 2, 3], [4, 5, 6]],
    (1, 1, 1): [[3, 2, 1], [6, 5, 4]],
    (0, 0, 0): [[0, 0, 0], [0, 1, 2]],
    (0, 0, 1): [[0, 0, 0], [2, 1, 0]],
    (2, 1, 0): [[4, 5, 6], [0, 0, 0]],
    (1, 2, 0): [[2, 3, 0], [5, 6, 0]],
    (1, 2, 1): [[0, 3, 2], [0, 6, 5]],
    (2, 2, 0): [[5, 6, 0], [0, 0, 0]],
}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_crops_and_mirror_images_of_a_tiny_image(dtype: torch.dtype) -> None:
    image = torch.tensor(IMAGE, dtype=dtype)
    images = torch.stack([image, 10 * image]).expand(len(TABLE), 2, 2, 3)
    changed = CropAndFlip(1)(images, torch.tensor(list(TABLE)))
    assert changed.dtype == dtype
    assert changed[:, 0].tolist() == list(TABLE.values())
    assert torch.equal(changed[:, 1], 10 * changed[:, 0])  # a channel moves with the others
    assert torch.equal(images[0, 0], image)


def test_every_crop_is_as_likely_as_the_others() -> None:
    drawn = CropAndFlip(4).draw(100, 162, torch.Generator().manual_seed(0))
    assert drawn.shape == (100, 162, 3)
    counts = Counter(map(tuple, drawn.flatten(0, 1).tolist()))
    assert counts.keys() == {(d, r, m) for d in range(9) for r in range(9) for m in range(2)}
    assert min(counts.values()) > 60  # 100 expected; 60 is four standard deviations below
    assert max(counts.values()) < 145


def _draws(seed: int = 0, key: int = 0) -> Draws:
    return Draws(CropAndFlip(4), batch_size=5, seed=seed, key=key)


def test_numbers_are_a_function_of_seed_key_and_step() -> None:
    whole = _draws().steps(0, 3 * CHUNK)
    assert whole.shape == (3 * CHUNK, 5, 3)
    one = _draws()
    for first, stop in ((0, 1), (CHUNK - 3, CHUNK + 2), (7, 2 * CHUNK + 1), (1, 2)):
        assert torch.equal(one.steps(first, stop), whole[first:stop])
    steps = {tuple(step.flatten().tolist()) for step in whole}
    assert len(steps) == 3 * CHUNK
    for other in (_draws(seed=1), _draws(key=1)):
        assert (other.steps(0, 50) != whole[:50]).float().mean() > 0.5


def test_numbers_are_independent_of_the_global_generator() -> None:
    before = torch.get_rng_state()
    numbers = _draws().steps(0, 10)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert torch.equal(_draws().steps(0, 10), numbers)


def test_bytes_are_augmented_before_they_are_scaled() -> None:
    class Add(CropAndFlip):
        def __call__(self, inputs: Tensor, drawn: Tensor) -> Tensor:
            assert inputs.dtype == torch.uint8
            return inputs + drawn

    def scale(pixels: Tensor) -> Tensor:
        return pixels.float() / 2

    pixels = torch.tensor([[10], [20], [30]], dtype=torch.uint8)
    split = Split(pixels, torch.arange(3), scale, augmentation=Add(0))  # type: ignore[arg-type]
    drawn = torch.tensor([[1], [3]], dtype=torch.uint8)
    inputs, targets = split.batch(torch.tensor([2, 0]), drawn)
    assert inputs.tolist() == [[15.5], [6.5]]
    assert targets.tolist() == [2, 0]
    assert split.batch(torch.tensor([2, 0]))[0].tolist() == [[15.0], [5.0]]


class SeenInputs(pl.Callback):
    """What the network is given at each training step."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.hook = pl_module.network.register_forward_hook(self._note)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.hook.remove()

    def _note(self, network: torch.nn.Module, inputs: tuple[Tensor], _: Any) -> None:
        if network.training:
            self.seen.append(inputs[0].clone())


def _train(process: ProcessRank, path: Path, **changes: Any) -> list[Tensor]:
    changes = {"augmentation": CropAndFlip(1)} | changes
    seen = SeenInputs()
    run_rounds(toy_imp(path, toy_fit(ToyDropout(), callbacks=[seen], **changes), rounds=(0, 1)))
    return seen.seen


def test_training_sees_its_batches_augmented_and_evaluation_does_not(tmp_path: Path) -> None:
    seen = _train(ProcessRank(), tmp_path / "augmented")
    plain = _train(ProcessRank(), tmp_path / "plain", augmentation=None)
    assert len(seen) == len(plain) == 2 * NUM_STEPS
    augmentation = CropAndFlip(1)
    for number in (0, 1):
        draws = Draws(augmentation, BATCH, seed=8, key=number).steps(0, NUM_STEPS)
        for step, drawn in enumerate(draws):
            place = number * NUM_STEPS + step
            assert torch.equal(seen[place], augmentation(plain[place], drawn))
    first, second = (Draws(augmentation, BATCH, 8, key).steps(0, NUM_STEPS) for key in (0, 1))
    assert not torch.equal(first, second)


def test_fixed_order_shows_every_round_the_same_crops(tmp_path: Path) -> None:
    seen = _train(ProcessRank(), tmp_path, fixed_order=True)
    for first, second in zip(seen[:NUM_STEPS], seen[NUM_STEPS:], strict=True):
        assert torch.equal(first, second)


def test_blocks_change_nothing(tmp_path: Path) -> None:
    for block in (1, 3, 50):
        _train(ProcessRank(), tmp_path / str(block), block=block)
    for block in ("1", "3"):
        assert result_tables(tmp_path / block) == result_tables(tmp_path / "50")
        assert tensor_files(tmp_path / block) == tensor_files(tmp_path / "50")


def _train_numbers(process: ProcessRank, path: Path) -> list[list[Any]]:
    return [batch.tolist() for batch in _train(process, path)]


@pytest.mark.parametrize("number", [2, 3])
def test_the_ranks_share_the_augmented_batch_of_one_process(tmp_path: Path, number: int) -> None:
    alone = _train_numbers(ProcessRank(), tmp_path / "alone")
    by_rank = on_ranks(number, _train_numbers, tmp_path / "ranks")
    for step, batch in enumerate(alone):
        assert [image for seen in by_rank for image in seen[step]] == batch


def test_the_seed_of_augmentation_changes_the_training_alone(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_cifar(monkeypatch)
    write_cifar(folder / "data")
    small = ("dataset=cifar10", "dataset.root=data", "dataset.batch_size=10", "logger=none")

    def run(*overrides: str) -> tuple[Path, dict[str, bytes]]:
        done = lottery(*small, *TINY, *overrides)
        assert done.code == 0, done.err
        return done.run, tensor_files(done.run)

    plain = run()
    augmented = run("dataset.augment=true")
    other = run("dataset.augment=true", "seeds.augmentation=5")
    assert len({path for path, _ in (plain, augmented, other)}) == 3
    start = "rounds/00/start.safetensors"
    final = "rounds/00/final.safetensors"
    assert plain[1][start] == augmented[1][start] == other[1][start]
    assert len({files[final] for _, files in (plain, augmented, other)}) == 3
    assert run("seeds.augmentation=5")[1][final] == plain[1][final]

"""Splits of bytes: a batch is made ready when it is asked for, of a tensor or a mapped file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lottery.data import Scaling, Split, Splits
from lottery.measure.evaluate import evaluate, inference_ms
from lottery.tasks import Classification

PIXELS = torch.arange(24, dtype=torch.uint8).reshape(6, 2, 1, 2) * 10  # 6 images of 2 channels
TARGETS = torch.tensor([0, 1, 1, 0, 1, 0])
SCALING = Scaling.of([0.5, 0.25], [0.25, 0.5])
ROWS = torch.tensor([4, 0, 2])


def _by_hand(pixels: Tensor) -> Tensor:
    statistics = torch.tensor([[0.5, 0.25], [0.25, 0.5]], dtype=torch.float64)
    mean, std = (statistic[:, None, None] for statistic in statistics)
    return (pixels.double() / 255 - mean) / std


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_batch_of_bytes_is_scaled_by_channel_in_the_networks_type(dtype: torch.dtype) -> None:
    split = Split(PIXELS, TARGETS, SCALING).to("cpu", dtype)
    inputs, targets = split.batch(torch.tensor([5, 1]))
    assert inputs.dtype == dtype
    expected = _by_hand(PIXELS[[5, 1]]).to(dtype)
    torch.testing.assert_close(
        inputs, expected, atol=0.02 if dtype == torch.bfloat16 else 1e-6, rtol=0
    )
    assert targets.tolist() == [0, 1]
    assert split.inputs.dtype == torch.uint8
    assert torch.equal(split.inputs, PIXELS)


def test_floats_are_given_as_they_are() -> None:
    floats = PIXELS.float()
    inputs, _ = Split(floats, TARGETS).batch(slice(2, 4))
    assert inputs.data_ptr() == floats[2:].data_ptr()  # a view: nothing is copied


@pytest.mark.parametrize("which", [torch.tensor([2, 0]), slice(1, 3), slice(100)])
def test_rows_name_the_examples_of_a_shared_tensor(which: Tensor | slice) -> None:
    shared = Split(PIXELS, TARGETS[ROWS], SCALING, ROWS)
    own = Split(PIXELS[ROWS], TARGETS[ROWS], SCALING)
    assert len(shared) == 3
    for here, there in zip(shared.batch(which), own.batch(which), strict=True):
        assert torch.equal(here, there)


def test_rows_without_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="3 inputs but 6 targets"):
        Split(PIXELS, TARGETS, SCALING, ROWS)


def _splits(shared: bool, scaling: Scaling | None = SCALING) -> Splits:
    parts = [torch.tensor(rows) for rows in ([4, 0], [1, 3], [2, 5])]
    if shared:
        splits = [Split(PIXELS, TARGETS[rows], scaling, rows) for rows in parts]
    else:
        splits = [Split(PIXELS[rows], TARGETS[rows], scaling) for rows in parts]
    return Splits(*splits, num_classes=2)


def test_the_digest_is_of_the_examples_and_of_the_scaling() -> None:
    digest = _splits(shared=False).digest()
    assert _splits(shared=True).digest() == digest
    assert _splits(False, Scaling.of([0.5, 0.25], [0.25, 0.25])).digest() != digest
    assert _splits(False, None).digest() != digest
    assert _splits(False).digests() == {"data": digest}


def test_a_mapped_file_stays_one_in_the_memory_of_the_cpu(tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", PIXELS.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "pixels.npy", mmap_mode="c"))
    split = Split(mapped, TARGETS[ROWS], SCALING, ROWS).to("cpu", torch.float64)
    assert split.inputs.data_ptr() == mapped.data_ptr()
    assert torch.equal(
        split.batch(slice(3))[0],
        Split(PIXELS[ROWS], ROWS, SCALING).to("cpu", torch.float64).batch(slice(3))[0],
    )


def test_elsewhere_a_split_has_its_own_examples_only() -> None:
    split = Split(PIXELS, TARGETS[ROWS], SCALING, ROWS).to("meta", torch.float32)
    assert split.inputs.shape == (3, 2, 1, 2)
    assert split.rows is None


def test_evaluation_and_timing_see_what_training_sees() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    rows = torch.arange(6).flip(0)
    ready = Split(SCALING(PIXELS[rows]), TARGETS[rows])
    logits = network(ready.inputs).detach()
    loss = nn.functional.cross_entropy(logits, ready.targets)
    for split in (Split(PIXELS, TARGETS[rows], SCALING, rows), ready):
        result = evaluate(network, split, loss=nn.functional.cross_entropy, task=Classification())
        assert result.loss == pytest.approx(float(loss))
        assert result.score == float((logits.argmax(1) == ready.targets).double().mean())
        assert inference_ms(network, split) > 0

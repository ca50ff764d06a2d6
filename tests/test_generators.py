"""The three global generators: seeded together, stored as tensors, put back bit for bit."""

# ruff: noqa: NPY002

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from lottery.generators import (
    drawn,
    kept_generators,
    read_generators,
    seed_generators,
    write_generators,
)
from lottery.tensors import load_tensors, save_tensors


def _draw() -> list[float]:
    """Draw from each; normal numbers come in pairs, and the second waits in the state."""
    return [
        float(torch.rand(())),
        float(torch.randn(())),
        float(np.random.rand()),
        float(np.random.randn()),
        random.random(),
        random.gauss(0, 1),
    ]


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_a_seed_fixes_all_three(seed: int) -> None:
    seed_generators(seed)
    first = _draw()
    seed_generators(seed)
    assert _draw() == first
    seed_generators(seed ^ 5)
    assert all(a != b for a, b in zip(_draw(), first, strict=True))


@pytest.mark.parametrize("draws", [0, 1, 2, 700])
def test_states_are_put_back_from_a_file(tmp_path: Path, draws: int) -> None:
    seed_generators(3)
    for _ in range(draws):
        _draw()
    save_tensors(tmp_path / "states.safetensors", read_generators())
    expected = [_draw() for _ in range(3)]
    write_generators(load_tensors(tmp_path / "states.safetensors"))
    assert [_draw() for _ in range(3)] == expected


def test_a_generator_without_a_state_stays_as_it_is() -> None:
    seed_generators(3)
    states = read_generators()
    expected = _draw()
    seed_generators(4)
    write_generators({"cpu": states["cpu"]})
    found = _draw()
    assert found[:2] == expected[:2]
    assert all(a != b for a, b in zip(found[2:], expected[2:], strict=True))


def test_drawing_leaves_the_generators_as_they_were() -> None:
    seed_generators(3)
    expected = _draw()
    seed_generators(3)
    first = drawn(_draw, 7)
    with pytest.raises(ZeroDivisionError), kept_generators():
        _draw()[0] / 0
    assert _draw() == expected
    assert drawn(_draw, 7) == first
    assert drawn(_draw, 8) != first

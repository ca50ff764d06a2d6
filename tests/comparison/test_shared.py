"""What two masks share, and what chance would give: by small tables and by drawing masks."""

import math

import pytest
import torch

from lottery.comparison.shared import (
    Shared,
    add_up,
    count_shared,
    magnitude_correlation,
    same_signs,
)


def mask(bits: str) -> torch.Tensor:
    return torch.tensor([bit == "1" for bit in bits])


@pytest.mark.parametrize(
    ("first", "second", "overlap", "hamming"),
    [
        ("1100", "1100", 1.0, 0.0),
        ("1100", "0011", 0.0, 1.0),
        ("1110", "0110", 2 / 3, 1 / 4),
        ("1111", "0001", 1 / 4, 3 / 4),
        ("0000", "0001", 0.0, 1 / 4),
    ],
)
def test_overlap_and_hamming_distance(
    first: str, second: str, overlap: float, hamming: float
) -> None:
    shared = count_shared(mask(first), mask(second))
    assert (shared.overlap, shared.hamming) == (overlap, hamming)


def test_masks_that_keep_nothing_have_no_overlap() -> None:
    assert math.isnan(count_shared(mask("00"), mask("00")).overlap)


def test_chance_is_what_masks_at_random_give() -> None:
    """1,000 masks of 60 and 30 out of 100: mean and standard deviation of their overlap."""
    generator = torch.Generator().manual_seed(0)
    first = torch.arange(100) < 60
    found = [
        count_shared(first, torch.randperm(100, generator=generator) < 30) for _ in range(1000)
    ]
    # d e / (d + e - d e) with d = 0.6, e = 0.3; d + e - 2 d e
    assert {shared.overlap_chance for shared in found} == {0.18 / 0.72}
    assert {round(shared.hamming_chance, 12) for shared in found} == {0.54}
    overlaps = torch.tensor([shared.overlap for shared in found])
    sd = found[0].overlap_chance_sd
    assert float(overlaps.mean()) == pytest.approx(0.25, abs=4 * sd / math.sqrt(1000))
    assert float(overlaps.std()) == pytest.approx(sd, rel=0.1)
    hammings = torch.tensor([shared.hamming for shared in found])
    assert float(hammings.mean()) == pytest.approx(0.54, abs=0.01)


def test_chance_stays_inside_each_layer() -> None:
    """A full and an empty layer: masks with these densities cannot but be equal."""
    layers = [count_shared(mask("1111"), mask("1111")), count_shared(mask("0000"), mask("0000"))]
    both = add_up(layers)
    assert both == Shared(weights=8, first=4, second=4, both=4, expected=4.0, variance=0.0)
    assert (both.overlap, both.overlap_chance, both.overlap_chance_sd) == (1.0, 1.0, 0.0)


def test_signs_are_compared_where_both_keep_the_weight() -> None:
    first = {"w": torch.tensor([1.0, -1.0, 2.0, 0.0, -3.0])}
    second = {"w": torch.tensor([5.0, 1.0, -2.0, 0.0, -1.0])}
    assert same_signs(first, second, {"w": mask("11111")}) == {"w": 3}
    assert same_signs(first, second, {"w": mask("11100")}) == {"w": 1}
    assert same_signs(first, None, {"w": mask("11111")}) is None


def test_the_correlation_is_of_magnitudes() -> None:
    weights = torch.tensor([0.5, -1.0, 3.0, -0.1])
    assert magnitude_correlation(weights, -2 * weights) == 1.0
    assert magnitude_correlation(torch.tensor([1.0, 2.0]), torch.tensor([-3.0, 1.0])) == -1.0
    assert math.isnan(magnitude_correlation(weights[:1], weights[:1]))
    assert math.isnan(magnitude_correlation(weights, torch.ones(4)))

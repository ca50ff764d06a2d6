"""Drawing class by class: shares, counts, seeds."""

import numpy as np
import pytest

from lottery.data.stratified import draw_shares, draw_subset

LABELS = np.random.default_rng(0).permutation([0] * 50 + [1] * 30 + [2] * 7)


def test_parts_are_disjoint_whole_and_have_their_share_of_every_class() -> None:
    parts = draw_shares(LABELS, [0.2, 0.1], 0)
    assert sorted(np.concatenate(parts)) == list(range(len(LABELS)))
    counts = [np.bincount(LABELS[rows]).tolist() for rows in parts]
    assert counts == [[10, 6, 1], [5, 3, 1], [35, 21, 5]]
    assert all((np.diff(rows) > 0).all() for rows in parts)


@pytest.mark.parametrize(("size", "counts"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1])])
def test_each_part_has_one_of_a_small_class_while_there_are_any(
    size: int, counts: list[int]
) -> None:
    parts = draw_shares(np.zeros(size, dtype=np.int64), [0.2, 0.1], 0)
    assert [len(rows) for rows in parts] == counts


def test_another_seed_draws_others_and_the_same_seed_the_same() -> None:
    first, again, other = (draw_shares(LABELS, [0.2], seed)[0].tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert draw_subset(LABELS, 20, 0).tolist() != draw_subset(LABELS, 20, 1).tolist()


@pytest.mark.parametrize("count", [1, 10, 29, 86, 87])
def test_a_subset_has_the_shares_of_the_whole(count: int) -> None:
    rows = draw_subset(LABELS, count, 0)
    assert len(set(rows.tolist())) == count
    fair = np.bincount(LABELS) * count / len(LABELS)
    assert (np.abs(np.bincount(LABELS[rows], minlength=3) - fair) < 1).all()

"""Drawing class by class: shares, counts, seeds; and `dataset.limit`, a part of any dataset."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lottery.api import load_run
from lottery.data import Split, Splits
from lottery.data.subset import draw_shares, draw_subset, limited
from tests.conftest import TINY, Lottery

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


def _split(count: int, first: int) -> Split:
    """The inputs say which examples they are; three classes, the last one rare."""
    targets = torch.arange(count) % 10
    targets = torch.where(targets < 5, 0, torch.where(targets < 9, 1, 2))
    return Split(torch.arange(first, first + count).float().unsqueeze(1), targets)


SPLITS = Splits(_split(700, 0), _split(200, 1000), _split(100, 2000), num_classes=3)


def test_every_split_and_class_keeps_its_share() -> None:
    fewer = limited(SPLITS, 100, seed=0)
    assert [len(part) for part in (fewer.train, fewer.val, fewer.test)] == [70, 20, 10]
    assert torch.bincount(fewer.train.targets).tolist() == [35, 28, 7]
    assert torch.bincount(fewer.test.targets).tolist() == [5, 4, 1]


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_examples_keep_their_targets(part: str) -> None:
    whole, fewer = getattr(SPLITS, part), getattr(limited(SPLITS, 100, seed=0), part)
    rows = (fewer.inputs[:, 0] - whole.inputs[0, 0]).long()
    assert len(set(rows.tolist())) == len(fewer)
    assert torch.equal(whole.targets[rows], fewer.targets)


def test_a_shared_tensor_stays_shared() -> None:
    rows = torch.arange(700).flip(0)
    shared = replace(SPLITS.train, rows=rows, targets=SPLITS.train.targets[rows])
    fewer = limited(replace(SPLITS, train=shared), 100, seed=0).train
    assert fewer.inputs is shared.inputs
    inputs, targets = fewer.batch(slice(0, 70))
    assert torch.equal(SPLITS.train.targets[inputs[:, 0].long()], targets)


@pytest.mark.parametrize("limit", [1000, 5000])
def test_as_many_as_there_are_changes_nothing(limit: int) -> None:
    assert limited(SPLITS, limit, seed=0) is SPLITS


def test_of_every_class_one_stays() -> None:
    fewer = limited(SPLITS, 1, seed=0)
    assert [sorted(part.targets.tolist()) for part in (fewer.train, fewer.val, fewer.test)] == [
        [0, 1, 2]
    ] * 3


def test_the_seed_draws() -> None:
    draws = [limited(SPLITS, 100, seed).train.inputs.flatten().tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_a_run_on_fewer_digits(lottery: Lottery) -> None:
    whole = lottery(*TINY, "rounds=0")
    done = lottery(*TINY, "rounds=0", "dataset.limit=600", "dataset.batch_size=10")
    assert done.code == 0, done.err
    assert load_run(done.run).config["dataset.limit"] == 600
    assert done.run != whole.run
    assert "dataset.limit" not in load_run(whole.run).config
    refused = lottery(*TINY, "dataset.limit=0")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "dataset.limit=0: a whole number >= 1 and <= 1000000000, or null" in refused.err

"""The data order is a function of (seed, key, step) alone, and blocks cut it without a change."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lottery.data import BatchOrder
from lottery.training.blocks import Blocks

SIZES = st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


def _order(seed: int = 0, key: int = 0) -> BatchOrder:
    return BatchOrder(num_examples=10, batch_size=3, seed=seed, key=key)


@pytest.mark.parametrize(
    ("num_examples", "batch_size", "steps"), [(10, 3, 3), (9, 3, 3), (10, 10, 1), (1200, 60, 20)]
)
def test_an_epoch_is_the_whole_batches(num_examples: int, batch_size: int, steps: int) -> None:
    order = BatchOrder(num_examples, batch_size, seed=0, key=0)
    assert order.steps_per_epoch == steps
    assert order.rows(0, 2).shape == (2, batch_size)


@settings(deadline=None)
@given(SIZES, st.integers(0, 5))
def test_no_example_comes_twice_in_an_epoch(size: tuple[int, int], epoch: int) -> None:
    order = BatchOrder(*size, seed=0, key=0)
    steps = order.steps_per_epoch
    rows = order.rows(epoch * steps, (epoch + 1) * steps).flatten().tolist()
    assert len(rows) == len(set(rows)) == steps * size[1]
    assert set(rows) <= set(range(size[0]))


def test_every_epoch_has_its_own_shuffle_and_leaves_others_over() -> None:
    epochs = [tuple(_order().rows(3 * e, 3 * e + 3).flatten().tolist()) for e in range(20)]
    assert len(set(epochs)) == 20
    left_over = {number for epoch in epochs for number in set(range(10)) - set(epoch)}
    assert len(left_over) > 5


def test_the_first_place_is_taken_by_all_examples_alike() -> None:
    order = BatchOrder(num_examples=4, batch_size=4, seed=0, key=0)
    counts = torch.bincount(order.rows(0, 2000)[:, 0], minlength=4)
    assert ((counts - 500).abs() < 100).all()  # 5 standard deviations


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=6))
def test_rows_depend_on_the_steps_alone(asked: list[tuple[int, int]]) -> None:
    """Not on what was asked for before: a resumed training asks for less."""
    order, whole = _order(), _order().rows(0, 49)
    for first, number in asked:
        assert torch.equal(order.rows(first, first + number), whole[first : first + number])


def test_seeds_and_keys_give_other_orders() -> None:
    orders = {
        tuple(_order(seed, key).rows(0, 3).flatten().tolist())
        for seed in range(4)
        for key in range(4)
    }
    assert len(orders) == 16


def test_the_order_neither_draws_from_nor_seeds_the_global_generator() -> None:
    before = torch.get_rng_state()
    first = _order().rows(0, 3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert torch.equal(_order().rows(0, 3), first)


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_a_batch_must_fit_the_training_set(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size={batch_size}: 1 to 10, the training set"):
        BatchOrder(num_examples=10, batch_size=batch_size, seed=0, key=0)


# Blocks


def _blocks(first: int, last: int, size: int, every: int, keep: int | None = None) -> Blocks:
    ends = [] if keep is None else [keep]
    return Blocks(_order(), first=first, last=last, size=size, every=every, ends=ends)


@pytest.mark.parametrize(
    ("first", "last", "size", "every", "keep", "edges"),
    [
        (0, 6, 3, 100, None, [(0, 3), (3, 6)]),
        (0, 7, 3, 100, None, [(0, 3), (3, 6), (6, 7)]),  # at the last step
        (0, 7, 3, 5, None, [(0, 3), (3, 5), (5, 7)]),  # at evaluations
        (0, 6, 50, 2, None, [(0, 2), (2, 4), (4, 6)]),
        (0, 6, 50, 50, 4, [(0, 4), (4, 6)]),  # at the step to keep
        (0, 6, 50, 4, 4, [(0, 4), (4, 6)]),
        (0, 6, 50, 50, 6, [(0, 6)]),
        (0, 6, 50, 50, 9, [(0, 6)]),
        (3, 11, 50, 5, None, [(3, 5), (5, 10), (10, 11)]),  # multiples on the run's clock
        (5, 11, 50, 5, 2, [(5, 10), (10, 11)]),
        (5, 6, 1, 1, 5, [(5, 6)]),
        (4, 4, 3, 5, None, []),
    ],
)
def test_edges_of_blocks(
    first: int,
    last: int,
    size: int,
    every: int,
    keep: int | None,
    edges: list[tuple[int, int]],
) -> None:
    blocks = _blocks(first, last, size, every, keep)
    assert list(blocks.edges()) == edges
    assert len(blocks) == len(edges)


NUMBERS = st.integers(1, 30)


@settings(deadline=None)
@given(st.integers(0, 40), NUMBERS, NUMBERS, NUMBERS, st.none() | st.integers(1, 80))
def test_blocks_are_as_long_as_those_who_look_let_them_be(
    first: int, steps: int, size: int, every: int, keep: int | None
) -> None:
    last = first + steps
    edges = list(_blocks(first, last, size, every, keep).edges())
    stops = [stop for _, stop in edges]
    assert [first, *stops] == [*(start for start, _ in edges), last]  # contiguous, to the end
    looked_at = {s for s in range(first + 1, last + 1) if s % every == 0 or s in (keep, last)}
    assert looked_at <= set(stops)
    for start, stop in edges:
        assert stop - start == size or (stop - start < size and stop in looked_at)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 20), NUMBERS, NUMBERS, NUMBERS)
def test_the_size_of_blocks_changes_no_batch(
    first: int, steps: int, size: int, every: int
) -> None:
    blocks: list[Tensor] = list(_blocks(first, first + steps, size, every))
    assert torch.equal(torch.cat(blocks), _order().rows(first, first + steps))

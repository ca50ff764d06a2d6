"""Modular arithmetic: literal equations, the splits, and what is refused."""

from dataclasses import replace

import pytest
import torch

from lottery.data import DataError, ModularAddition, Splits

ADDITION = ModularAddition(p=5, operation="+", train_share=0.5, split_seed=0)


def _equations(splits: Splits) -> dict[tuple[int, ...], int]:
    parts = (splits.train, splits.val, splits.test)
    pairs = [pair for part in parts for pair in zip(part.inputs, part.targets, strict=True)]
    found = {tuple(inputs.tolist()): int(target) for inputs, target in pairs}
    assert len(found) == len(pairs), "an equation is in two splits"
    return found


@pytest.mark.parametrize(
    ("operation", "number", "some"),
    [
        # p = 5: the tokens 5 and 6 are the operation and "="
        ("+", 25, {(3, 5, 4, 6): 2, (0, 5, 0, 6): 0}),
        ("-", 25, {(3, 5, 4, 6): 4, (4, 5, 3, 6): 1}),
        ("*", 25, {(3, 5, 4, 6): 2, (0, 5, 4, 6): 0}),
        ("/", 20, {(3, 5, 4, 6): 2, (1, 5, 3, 6): 2, (0, 5, 2, 6): 0}),
    ],
)
def test_every_equation_is_in_one_split_with_its_result(
    operation: str, number: int, some: dict[tuple[int, ...], int]
) -> None:
    splits = replace(ADDITION, operation=operation).load()
    splits.check()
    equations = _equations(splits)
    assert len(equations) == number
    assert equations | some == equations
    assert all(tokens[1] == 5 and tokens[3] == 6 for tokens in equations)
    assert (splits.num_classes, splits.num_tokens, splits.input_shape) == (5, 7, (4,))


def test_a_quotient_times_the_divisor_is_the_dividend() -> None:
    equations = _equations(replace(ADDITION, p=97, operation="/").load())
    assert all(c * b % 97 == a for (a, _, b, _), c in equations.items())
    assert {b for _, _, b, _ in equations} == set(range(1, 97))


@pytest.mark.parametrize(
    ("p", "share", "sizes"),
    [(97, 0.5, (4704, 2352, 2353)), (113, 0.3, (3831, 4469, 4469)), (5, 0.5, (12, 6, 7))],
)
def test_sizes(p: int, share: float, sizes: tuple[int, int, int]) -> None:
    splits = replace(ADDITION, p=p, train_share=share).load()
    assert (len(splits.train), len(splits.val), len(splits.test)) == sizes


def test_the_split_seed_alone_draws_the_splits() -> None:
    torch.manual_seed(1)
    splits, again = ADDITION.load(), ADDITION.load()
    other = replace(ADDITION, split_seed=1).load()
    assert splits.digest() == again.digest() != other.digest()
    assert _equations(splits) == _equations(other)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"p": 1}, "p=1: a whole number from 2 to 1000"),
        ({"p": 2.5}, "p=2.5: a whole"),
        ({"p": "x"}, "p=x: a whole"),
        ({"p": None}, "p=null: a whole"),
        ({"p": True}, "p=true: a whole"),
        ({"operation": "^"}, r"operation=\^: one of \+, -, \*, /"),
        ({"operation": None}, "operation=null: one of"),
        ({"p": 6, "operation": "/"}, "p=6: a prime for operation=/"),
        ({"train_share": 1}, "train_share=1: a number above 0 and below 1"),
        ({"train_share": "half"}, "train_share=half: a number"),
    ],
)
def test_wrong_arguments_are_refused_by_name(changes: dict[str, object], line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line}"):
        replace(ADDITION, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("share", "split"), [(0.001, "training"), (0.99, "validation")])
def test_a_share_that_leaves_a_split_empty_is_refused(share: float, split: str) -> None:
    with pytest.raises(DataError, match=f"train_share={share}: .* none for {split}"):
        replace(ADDITION, train_share=share).load()

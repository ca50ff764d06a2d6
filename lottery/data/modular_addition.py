"""Modular arithmetic, the task on which networks grok (Power et al. 2022): needs no files."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt
import torch

from lottery.arguments import check_one_of, check_share, check_whole
from lottery.data.errors import DataError
from lottery.data.splits import Split, Splits

Numbers = npt.NDArray[np.int64]

LARGEST = 1000  # a million equations

RESULTS: dict[str, Callable[[Numbers, Numbers], Numbers]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
OPERATIONS = (*RESULTS, "/")


@dataclass(frozen=True)
class ModularAddition:
    """All equations `a o b = c (mod p)` of one operation; the class of an equation is c.

    An input is four tokens, `a o b =`. The tokens 0 to p - 1 are the numbers, p is the operation
    and p + 1 is "=". There are p * p equations; p * (p - 1) for a division, whose b is never 0.

    A share of the equations, drawn at random, is for training. The others are for validation and
    testing, half each; testing gets the one that may be left over. The draw is not stratified by
    class, and `a + b` may be in training where `b + a` is in test: both as in the paper, which
    has training and validation only.

    Args:
        p: the modulus; a prime for a division.
        operation: "+", "-", "*" or "/".
        train_share: share of the equations for training.
        split_seed: draws the splits.
    """

    p: int
    operation: str
    train_share: float
    split_seed: int

    def __post_init__(self) -> None:
        check_whole("p", self.p, at_least=2, at_most=LARGEST)
        check_one_of("operation", self.operation, OPERATIONS)
        check_share("train_share", self.train_share)
        if self.operation == "/" and not _is_prime(self.p):
            raise ValueError(f"p={self.p}: a prime for operation=/")

    def load(self) -> Splits:
        """Return the splits; a DataError if `train_share` leaves one of them empty."""
        inputs, targets = self._equations()
        order = np.random.default_rng(self.split_seed).permutation(len(targets))
        num_train = round(self.train_share * len(targets))
        num_val = (len(targets) - num_train) // 2
        if not num_train or not num_val:
            empty = "validation" if num_train else "training"
            share = f"train_share={self.train_share}"
            raise DataError(f"{share}: of {len(targets)} equations it leaves none for {empty}")
        parts = np.split(order, [num_train, num_train + num_val])
        train, val, test = (Split(inputs[rows], targets[rows]) for rows in parts)
        return Splits(train, val, test, num_classes=self.p, num_tokens=self.p + 2)

    def _equations(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (n, 4) and results (n,) of all equations."""
        first, second = np.divmod(np.arange(self.p**2), self.p)
        if self.operation == "/":
            result, b = first[second > 0], second[second > 0]
            a = result * b % self.p
        else:
            a, b = first, second
            result = RESULTS[self.operation](a, b) % self.p
        operation, equals = np.full_like(a, self.p), np.full_like(a, self.p + 1)
        tokens = np.stack([a, operation, b, equals], axis=1)
        return torch.from_numpy(tokens), torch.from_numpy(result)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, isqrt(number) + 1))

"""The global random generators that a network may draw from: torch's, numpy's and Python's.

Their states are tensors, so that checkpoints and tensor files can hold them.
"""

# ruff: noqa: NPY002  # users' networks draw from numpy's global generator

import math
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")


def seed_generators(seed: int) -> None:
    """Seed all generators, on GPUs too."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # numpy takes no larger seed
    random.seed(seed)


def read_generators() -> dict[str, Tensor]:
    """Return the states of the generators in CPU memory, by name."""
    legacy = np.random.get_state(legacy=False)
    words, position = legacy["state"]["key"].tolist(), legacy["state"]["pos"]
    version, state, gauss = random.getstate()
    of_numpy = [*words, position, legacy["has_gauss"], legacy["gauss"]]
    of_python = [version, *state, math.nan if gauss is None else gauss]
    return {
        "cpu": torch.get_rng_state(),
        # float64 holds the 32 bits of each word, and the second of two normal numbers
        "numpy": torch.tensor(of_numpy, dtype=torch.float64, device="cpu"),
        "python": torch.tensor(of_python, dtype=torch.float64, device="cpu"),
    }


def write_generators(states: Mapping[str, Tensor]) -> None:
    """Put states of `read_generators` back; a generator without a state stays as it is."""
    if "cpu" in states:
        torch.set_rng_state(states["cpu"])
    if "numpy" in states:
        *words, position, has_gauss, gauss = states["numpy"].tolist()
        kept = np.array(words, dtype=np.uint32)
        np.random.set_state(("MT19937", kept, int(position), int(has_gauss), gauss))
    if "python" in states:
        version, *state, gauss = states["python"].tolist()
        next_gauss = None if math.isnan(gauss) else gauss
        random.setstate((int(version), tuple(map(int, state)), next_gauss))


@contextmanager
def kept_generators() -> Iterator[None]:
    """At the end, put the generators back as they were."""
    states = read_generators()
    try:
        yield
    finally:
        write_generators(states)


def drawn(make: Callable[[], T], seed: int) -> T:
    """Return what `make` makes from `seed` alone; the generators stay as they were."""
    with kept_generators():
        seed_generators(seed)
        return make()

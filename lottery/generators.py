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


def read_generators(device: torch.device | None = None) -> dict[str, Tensor]:
    """Return the states of the generators in CPU memory, by name.

    Of GPUs only that of `device`: to ask for the generator of a GPU would start CUDA.
    """
    legacy = np.random.get_state(legacy=False)
    words, position = legacy["state"]["key"].tolist(), legacy["state"]["pos"]
    version, state, gauss = random.getstate()
    of_numpy = [*words, position, legacy["has_gauss"], legacy["gauss"]]
    of_python = [version, *state, math.nan if gauss is None else gauss]
    states = {
        "cpu": torch.get_rng_state(),
        # float64 holds the 32 bits of each word, and the second of two normal numbers
        "numpy": torch.tensor(of_numpy, dtype=torch.float64, device="cpu"),
        "python": torch.tensor(of_python, dtype=torch.float64, device="cpu"),
    }
    if device is not None and device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def write_generators(states: Mapping[str, Tensor], device: torch.device | None = None) -> None:
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
    if "cuda" in states and device is not None and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


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

"""The global random generators that dropout and the like draw from, of every process of a run."""

import torch

from lottery.distributed import gather, rank
from lottery.tensors import Tensors


def read_generators() -> Tensors:
    """The states of all ranks' generators, by "rank/device"."""
    states = {f"{rank()}/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states[f"{rank()}/cuda"] = torch.cuda.get_rng_state()
    return {name: state for ranks in gather(states) for name, state in ranks.items()}


def write_generators(states: Tensors) -> None:
    """Put this rank's generators where they were; nothing where the states are of fewer ranks."""
    if (state := states.get(f"{rank()}/cpu")) is not None:
        torch.set_rng_state(state)
    if torch.cuda.is_available() and (state := states.get(f"{rank()}/cuda")) is not None:
        torch.cuda.set_rng_state(state)

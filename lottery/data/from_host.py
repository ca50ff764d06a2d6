"""Copies of examples from the host's memory to a GPU, while the GPU computes."""

from functools import cache

import torch
from torch import Tensor

AT_ONCE = 2**28  # bytes of a split that is copied in parts


def copied(inputs: Tensor, places: Tensor | slice, device: torch.device) -> Tensor:
    """Return some of the inputs in a GPU's memory; neither host nor GPU waits for the copy.

    They are collected in pinned memory, from which the GPU's copy engine takes them. The host
    is ahead of the GPU: it collects a batch while the steps before are computed, and the copy has
    a stream of its own, so that it does not queue behind them.
    """
    if isinstance(places, slice):
        pinned = inputs[places].pin_memory()
    else:
        pinned = torch.empty(len(places), *inputs.shape[1:], dtype=inputs.dtype, pin_memory=True)
        torch.index_select(inputs, 0, places, out=pinned)
    computing, copying = torch.cuda.current_stream(device), _copying(device)
    with torch.cuda.stream(copying):
        there = pinned.to(device, non_blocking=True)
    computing.wait_stream(copying)
    there.record_stream(computing)  # else its memory could be another's before it was used
    return there


def gathered(inputs: Tensor, rows: Tensor, device: torch.device) -> Tensor:
    """Return rows of the inputs in a GPU's memory, copied part by part to save host memory."""
    there = torch.empty(len(rows), *inputs.shape[1:], dtype=inputs.dtype, device=device)
    size = max(1, AT_ONCE // max(1, inputs[0].nbytes))
    for first in range(0, len(rows), size):
        there[first : first + size] = inputs[rows[first : first + size]].to(device)
    return there


@cache
def _copying(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch has no types for it

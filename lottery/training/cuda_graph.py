"""The capture of a step as a CUDA graph: the only lines of `trainer.graph` that need a GPU.

The tests have no GPU. They capture by `tests/helpers/recorded.py` instead. On a GPU,
`lottery-doctor` and `tests/gpu/test_gpu_graph.py` compare runs with and without graphs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.optim import Optimizer

from lottery.training.graphed import Replay

WARM_UP = 3  # steps, which let libraries choose their algorithms and get their memory


def capture(step: Callable[[], None], optimizer: Optimizer) -> Replay:
    """Make the step some times, capture it, and return what replays it.

    This is the recipe of torch's notes on CUDA graphs: the steps before are made on a stream of
    their own, and the gradients are None when the capture begins.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch has no types for it
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    optimizer.zero_grad()
    graph = torch.cuda.CUDAGraph()
    with _allowed(optimizer), torch.cuda.graph(graph):
        step()  # nothing is computed yet
    return graph.replay


@contextmanager
def _allowed(optimizer: Optimizer) -> Iterator[None]:
    """Let Adam be captured; its fused step counts on the GPU, so that it may be."""
    groups = [group for group in optimizer.param_groups if "capturable" in group]
    before = [group["capturable"] for group in groups]
    for group in groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group, value in zip(groups, before, strict=True):
            group["capturable"] = value

"""What a CUDA graph does, on the CPU: operations are recorded once and replayed without Python.

As there, a replay works on the tensors that it was recorded with, and on the numbers that Python
had then. Reading a number from a tensor is refused.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Call = tuple[Any, Any, Any, Any]  # operation, its arguments by place and by name, and its result


class Recorder(TorchDispatchMode):
    """Notes the operations that are made within it, and makes them again."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, result in self.calls:
                _into(result, func(*args, **kwargs))


def record(step: Callable[[], None], optimizer: Optimizer) -> Callable[[], None]:
    """Return what replays a step; recording makes it once, which the caller undoes."""
    optimizer.zero_grad()
    with (recorder := Recorder()):
        step()
    return recorder.replay


def _into(recorded: Any, now: Any) -> None:
    """Write a result into the memory of the recorded one, unless it is there already."""
    for old, new in zip(tree_leaves(recorded), tree_leaves(now), strict=True):
        if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
            old.copy_(new)

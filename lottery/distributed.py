"""Communication between the processes that train one network; trivial for a single process."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


_main_works: ContextVar[bool] = ContextVar("main_works", default=False)


def num_ranks() -> int:
    """Return how many processes train together: 1 where the others wait for rank 0's result."""
    return dist.get_world_size() if dist.is_initialized() and not _main_works.get() else 1


def rank() -> int:
    """Return the number of this process among them, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    """Return whether this is rank 0, the only one that touches the run's folder."""
    return rank() == 0


def share(tensor: Tensor, dim: int = 0) -> Tensor:
    """Return this rank's part of a tensor.

    The parts are disjoint, in rank order, and their sizes differ by one at most.

    Example:
        >>> [part.tolist() for part in torch.arange(5).tensor_split(2)]  # what 2 ranks get
        [[0, 1, 2], [3, 4]]
    """
    return tensor.tensor_split(num_ranks(), dim)[rank()]


def from_main(make: Callable[[], T]) -> T:
    """Call `make` on rank 0 only; return its result, or raise its error, on every rank.

    Meanwhile rank 0 is alone: it exchanges nothing with the others, who wait for the result.
    """
    if num_ranks() == 1:
        return make()
    box: list[tuple[T | None, Exception | None]] = [(None, None)]
    if is_main():
        token = _main_works.set(True)
        try:
            box = [(make(), None)]
        except Exception as error:  # noqa: BLE001  # raised below, everywhere
            box = [(None, error)]
        finally:
            _main_works.reset(token)
    dist.broadcast_object_list(box, src=0)
    result, failure = box[0]
    if failure is not None:
        raise failure
    return result  # type: ignore[return-value]  # rank 0's result


def gather(value: T) -> list[T]:
    """Return the values of all ranks, by rank, on every rank."""
    if num_ranks() == 1:
        return [value]
    values: list[T | None] = [None] * num_ranks()
    dist.all_gather_object(values, value)
    return values  # type: ignore[return-value]  # all are filled


def differing_ranks(describe: Callable[[], str]) -> str:
    """Return the ranks that describe what they hold otherwise than rank 0: "1, 3", or "".

    A process that is alone describes nothing.
    """
    found = gather(describe()) if num_ranks() > 1 else []
    return ", ".join(str(rank) for rank, other in enumerate(found) if other != found[0])


def copy_from_main(tensor: Tensor) -> None:
    """Write rank 0's values into every rank's tensor."""
    if num_ranks() > 1:
        dist.broadcast(tensor, src=0)


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """Return the sum of all ranks' tensors, equal bit for bit on every rank."""
    if num_ranks() == 1:
        return tensor
    total = tensor.clone()
    dist.all_reduce(total)
    return total


def max_over_ranks(numbers: Sequence[int]) -> list[int]:
    """Return, for each position, the largest of all ranks' numbers."""
    if num_ranks() == 1:
        return list(numbers)
    most = torch.tensor(numbers)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    return [int(number) for number in most]

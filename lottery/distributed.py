"""This process's place among those that train one network; all of it is trivial for one alone."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def num_ranks() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """This process's number among them, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    """Whether this is rank 0, the only one that touches the run's folder."""
    return rank() == 0


def share(tensor: Tensor, dim: int = 0) -> Tensor:
    """This rank's part of a tensor; the parts are disjoint, in rank order, and as equal as can be.

    Example:
        >>> [part.tolist() for part in torch.arange(5).tensor_split(2)]  # what 2 ranks get
        [[0, 1, 2], [3, 4]]
    """
    return tensor.tensor_split(num_ranks(), dim)[rank()]


def from_main(make: Callable[[], T]) -> T:
    """What `make` returns, or raises, on rank 0, where alone it is called, on every rank."""
    if num_ranks() == 1:
        return make()
    box: list[tuple[T | None, Exception | None]] = [(None, None)]
    if is_main():
        try:
            box = [(make(), None)]
        except Exception as error:  # noqa: BLE001  # raised below, everywhere
            box = [(None, error)]
    dist.broadcast_object_list(box, src=0)
    result, failure = box[0]
    if failure is not None:
        raise failure
    return result  # type: ignore[return-value]  # rank 0's by now


def gather(value: T) -> list[T]:
    """Every rank's value, by rank, on every rank."""
    if num_ranks() == 1:
        return [value]
    values: list[T | None] = [None] * num_ranks()
    dist.all_gather_object(values, value)
    return values  # type: ignore[return-value]  # all are filled by now


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """The sum of all ranks' tensors, equal bit for bit on every rank; alone, the tensor itself."""
    if num_ranks() == 1:
        return tensor
    total = tensor.clone()
    dist.all_reduce(total)
    return total


def max_over_ranks(numbers: Sequence[int]) -> list[int]:
    """The largest of all ranks' numbers, place by place."""
    if num_ranks() == 1:
        return list(numbers)
    most = torch.tensor(numbers)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    return [int(number) for number in most]

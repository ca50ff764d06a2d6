"""The distance between two trained networks: length and angle between their kept weights."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from lottery.masks import Masks
from lottery.record.stability_schema import Distance


def distance(first: Mapping[str, Tensor], second: Mapping[str, Tensor], masks: Masks) -> Distance:
    """Return the distance of two networks' weights where the masks keep them.

    It is ||m * w1 - m * w2||, as in "Stabilizing the Lottery Ticket Hypothesis" (Frankle et al.
    2019). Between two copies that differ in data order, it is their stability to data order.
    Between a ticket and the dense network with the same data order, it is the ticket's stability
    to pruning.

    Example:
        >>> masks = {"w": torch.tensor([True, True, False])}
        >>> first, second = torch.tensor([3.0, 0.0, 9.0]), torch.tensor([0.0, 4.0, 0.0])
        >>> distance({"w": first}, {"w": second}, masks)
        {'l2': 5.0, 'angle': 90.0}
    """
    one, other = (
        torch.cat([weights[name][mask].double() for name, mask in masks.items()])
        for weights in (first, second)
    )
    length = float(torch.linalg.vector_norm(one - other))
    return {"l2": length, "angle": _angle(one, other)}


def _angle(one: Tensor, other: Tensor) -> float:
    """Return the angle in degrees, from the lengths of difference and sum.

    The cosine would be inexact for small angles.
    """
    lengths = torch.linalg.vector_norm(one), torch.linalg.vector_norm(other)
    if not all(lengths):  # every weight is pruned, or zero
        return 0.0
    one, other = one / lengths[0], other / lengths[1]
    apart, together = (float(torch.linalg.vector_norm(v)) for v in (one - other, one + other))
    return math.degrees(2 * math.atan2(apart, together))

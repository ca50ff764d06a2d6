"""Choosing exactly the highest of very many scores: a radix select, in little memory."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lottery.masks import Masks
from lottery.tensors import Tensors

DIGIT = 16  # bits looked at in one pass over the scores
VALUES = 1 << DIGIT
NARROW = (torch.float32, torch.bfloat16, torch.float16)  # of which float32 is exact
CHUNK = 1 << 18  # scores at a time: what is computed of them stays in a processor's cache


def keep_highest(scores: Tensor, mask: Tensor, keep: int) -> Tensor:
    """A mask of exactly the `keep` highest scores where `mask` is True.

    Among equal scores at the threshold the lowest indices stay: comparing with the threshold
    alone would keep all of them or none.

    Args:
        scores: any shape, finite.
        mask: bool, same shape; at least `keep` places are True.
        keep: how many to keep, a plain int.

    Example:
        >>> keep_highest(torch.ones(4), torch.tensor([True, False, True, True]), 2).tolist()
        [True, False, True, False]
    """
    return keep_highest_of_all({"": scores}, {"": mask}, keep)[""]


def keep_highest_of_all(scores: Tensors, masks: Masks, keep: int) -> Masks:
    """Masks of exactly the `keep` highest scores of all layers together.

    Ties go by layer, then by index.

    A sort, or `torch.kthvalue`, would copy the scores several times; here a pass counts them by
    their upper 16 bits, the next pass those at the threshold by their lower ones.

    Args:
        scores: any shapes and types, finite.
        masks: bool, same names and shapes; at least `keep` places are True.
        keep: how many to keep, a plain int.
    """
    if keep == 0:
        return {name: torch.zeros_like(mask) for name, mask in masks.items()}
    scores = _of_one_type({name: scores[name] for name in masks})
    threshold, places = _threshold(scores, masks, keep)
    kept = {}
    for name, mask in masks.items():
        parts = []
        for keys, alive in _chunks(scores[name], mask):
            ties = alive & (keys == threshold)
            first = ties.cumsum(0, dtype=torch.int32) <= places
            parts.append((alive & (keys > threshold)) | (ties & first))
            places = places - ties.sum()
        kept[name] = torch.cat(parts).reshape(mask.shape) if parts else torch.zeros_like(mask)
    return kept


def _of_one_type(scores: Tensors) -> Tensors:
    """As they are where 32 bits hold them all exactly, else in double precision."""
    if all(score.dtype in NARROW for score in scores.values()):
        return scores
    return {name: score.double() for name, score in scores.items()}


def _threshold(scores: Tensors, masks: Masks, keep: int) -> tuple[Tensor, Tensor]:
    """The key of the `keep`-th highest score, and how many of those equal to it are kept."""
    some = next(iter(scores.values()))
    bits = 64 if some.dtype == torch.float64 else 32
    places, key = torch.tensor(keep, device=some.device), None
    for shift in range(bits - DIGIT, -1, -DIGIT):
        counts = _count_digits(scores, masks, shift, key)
        at_least = counts.flip(0).cumsum(0)  # of the digit VALUES - 1, VALUES - 2, ...
        above = (at_least < places).sum()  # digits that lie wholly above the threshold
        places = places - torch.where(above > 0, at_least[(above - 1).clamp(min=0)], 0)
        digit = VALUES - 1 - above
        key = digit - VALUES // 2 if key is None else (key << DIGIT) | digit
    assert key is not None
    return key, places


def _count_digits(scores: Tensors, masks: Masks, shift: int, upper: Tensor | None) -> Tensor:
    """How many live keys have each value of the digit at `shift`, (VALUES,).

    Args:
        scores: by layer.
        masks: which are alive.
        shift: of the digit's lowest bit.
        upper: what a key's bits above the digit must be; None for the highest digit.
    """
    counts = torch.zeros(VALUES, dtype=torch.int64, device=next(iter(scores.values())).device)
    for name, mask in masks.items():
        for keys, alive in _chunks(scores[name], mask):
            shifted = keys >> shift
            if upper is None:  # this digit has the sign: its lowest value counts as 0
                counts = counts.index_add(0, shifted + VALUES // 2, alive.long())
            else:
                counted = alive & (shifted >> DIGIT == upper)
                counts = counts.index_add(0, shifted & (VALUES - 1), counted.long())
    return counts


def _chunks(scores: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """A layer's scores as whole numbers in the same order, and its mask, piece by piece."""
    flat_scores, flat_mask = scores.flatten(), mask.flatten()
    for start in range(0, flat_mask.numel(), CHUNK):
        piece = slice(start, start + CHUNK)
        yield _keys(flat_scores[piece]), flat_mask[piece]


def _keys(scores: Tensor) -> Tensor:
    """Whole numbers that compare as the scores do.

    The bits of a positive number do so themselves, those of a negative one the other way round.
    """
    wide = scores.dtype == torch.float64
    numbers = (scores if wide else scores.float()) + 0.0  # which makes 0.0 of -0.0
    bits = numbers.view(torch.int64 if wide else torch.int32)
    return bits ^ ((bits >> (63 if wide else 31)) & (2**63 - 1 if wide else 2**31 - 1))

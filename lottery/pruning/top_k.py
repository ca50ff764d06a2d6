"""Choose exactly the highest of many scores in little memory: a radix select."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lottery.masks import Masks
from lottery.tensors import Tensors

DIGIT = 16  # bits that one pass over the scores looks at
VALUES = 1 << DIGIT
NARROW = (torch.float32, torch.bfloat16, torch.float16)  # float32 holds them exactly
CHUNK = 1 << 18  # scores at a time, so that intermediate results fit in a processor's cache


def keep_highest(scores: Tensor, mask: Tensor, keep: int) -> Tensor:
    """Return a mask of exactly the `keep` highest scores where `mask` is True.

    Of equal scores at the threshold the lowest indices stay. A comparison with the threshold alone
    would keep all of them or none. Scores are finite, and at least `keep` places of the mask True.

    Example:
        >>> keep_highest(torch.ones(4), torch.tensor([True, False, True, True]), 2).tolist()
        [True, False, True, False]
    """
    return keep_highest_of_all({"": scores}, {"": mask}, keep)[""]


def keep_highest_of_all(scores: Tensors, masks: Masks, keep: int) -> Masks:
    """Return masks of exactly the `keep` highest scores of all layers, ties by layer, then index.

    A sort or `torch.kthvalue` would copy the scores several times. Here one pass counts the scores
    by their upper 16 bits, and the next pass counts those at the threshold by their lower bits.
    """
    if keep == 0:
        return {name: torch.zeros_like(mask) for name, mask in masks.items()}
    scores = {name: scores[name] for name in masks}
    if not all(score.dtype in NARROW for score in scores.values()):
        scores = {name: score.double() for name, score in scores.items()}
    threshold, places = _threshold(scores, masks, keep)
    kept = {}
    for name, mask in masks.items():
        pieces = []
        for keys, alive in _chunks(scores[name], mask):
            ties = alive & (keys == threshold)
            first = ties.cumsum(0, dtype=torch.int32) <= places
            pieces.append((alive & (keys > threshold)) | (ties & first))
            places = places - ties.sum()
        kept[name] = torch.cat(pieces).reshape(mask.shape) if pieces else torch.zeros_like(mask)
    return kept


def _threshold(scores: Tensors, masks: Masks, keep: int) -> tuple[Tensor, Tensor]:
    """Return the key of the `keep`-th highest score, and how many scores equal to it are kept."""
    some = next(iter(scores.values()))
    bits = 64 if some.dtype == torch.float64 else 32
    places, key = torch.tensor(keep, device=some.device), None
    for shift in range(bits - DIGIT, -1, -DIGIT):
        counts = _count_digits(scores, masks, shift=shift, upper=key)
        at_least = counts.flip(0).cumsum(0)  # for the digits VALUES - 1, VALUES - 2, ...
        above = (at_least < places).sum()  # number of digits above the threshold
        places = places - torch.where(above > 0, at_least[(above - 1).clamp(min=0)], 0)
        digit = VALUES - 1 - above
        key = digit - VALUES // 2 if key is None else (key << DIGIT) | digit
    assert key is not None
    return key, places


def _count_digits(scores: Tensors, masks: Masks, *, shift: int, upper: Tensor | None) -> Tensor:
    """Count the live keys with each value of the digit at bit `shift`, (VALUES,).

    A counted key has the bits `upper` above the digit; None is for the highest digit.
    """
    counts = torch.zeros(VALUES, dtype=torch.int64, device=next(iter(scores.values())).device)
    for name, mask in masks.items():
        for keys, alive in _chunks(scores[name], mask):
            shifted = keys >> shift
            if upper is None:  # this digit holds the sign: its lowest value is counted at 0
                counts = counts.index_add(0, shifted + VALUES // 2, alive.long())
            else:
                counted = alive & (shifted >> DIGIT == upper)
                counts = counts.index_add(0, shifted & (VALUES - 1), counted.long())
    return counts


def _chunks(scores: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a layer's scores as whole numbers in the same order, and its mask, piece by piece."""
    flat_scores, flat_mask = scores.flatten(), mask.flatten()
    for start in range(0, flat_mask.numel(), CHUNK):
        piece = slice(start, start + CHUNK)
        yield _keys(flat_scores[piece]), flat_mask[piece]


def _keys(scores: Tensor) -> Tensor:
    """Return whole numbers in the same order as the scores."""
    wide = scores.dtype == torch.float64
    numbers = (scores if wide else scores.float()) + 0.0  # turns -0.0 into 0.0
    bits = numbers.view(torch.int64 if wide else torch.int32)
    # the bits of positive numbers are in that order, those of negative ones in the reverse
    return bits ^ ((bits >> (63 if wide else 31)) & (2**63 - 1 if wide else 2**31 - 1))

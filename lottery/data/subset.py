"""Fewer examples than a dataset has, to try something."""

from dataclasses import replace

import torch

from lottery.data.splits import Split, Splits
from lottery.data.stratified import draw_shares


def limited(splits: Splits, limit: int, seed: int) -> Splits:
    """About `limit` examples in all: the same share of every split and class, one at least.

    Args:
        splits: of a dataset.
        limit: number of examples; as many or more than there are changes nothing.
        seed: of the draw.
    """
    parts = (splits.train, splits.val, splits.test)
    share = limit / sum(len(part) for part in parts)
    if share >= 1:
        return splits
    train, val, test = (drawn_share(part, share, seed) for part in parts)
    return replace(splits, train=train, val=val, test=test)


def drawn_share(split: Split, share: float, seed: int) -> Split:
    """A share of a split's examples, the same of every class, one at least.

    Args:
        split: with targets on the CPU.
        share: above 0 and below 1.
        seed: of the draw.
    """
    rows = torch.from_numpy(draw_shares(split.targets.numpy(), [share], seed)[0])
    if split.rows is None:
        return replace(split, inputs=split.inputs[rows], targets=split.targets[rows])
    return replace(split, rows=split.rows[rows], targets=split.targets[rows])

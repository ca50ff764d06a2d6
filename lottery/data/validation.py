"""Draw the validation split with another size, or do without one."""

from dataclasses import replace

import torch

from lottery.data.errors import DataError
from lottery.data.scaling import Scaling
from lottery.data.splits import Split, Splits
from lottery.data.subset import classes_of, draw_shares, select_rows


def with_val_share(splits: Splits, share: float, seed: int) -> Splits:
    """Draw the validation split again, from the training and validation examples.

    Args:
        splits: training and validation examples come from one source, test examples stay.
        share: of each class (of all examples, if targets are no classes), at least one example;
            0 trains on all examples and leaves the validation split empty.
        seed: draws the examples.

    Raises:
        DataError: the inputs of the two splits are not made in the same way.

    Example:
        >>> part = [Split(torch.zeros(n, 1), torch.zeros(n).long()) for n in (80, 20, 10)]
        >>> [len(s) for s in with_val_share(Splits(*part), 0.4, seed=0).by_name().values()]
        [60, 40, 10]
    """
    both = _joined(splits.train, splits.val)
    none = torch.arange(0)
    rows = [none.numpy(), torch.arange(len(both)).numpy()]
    if share:
        rows = draw_shares(classes_of(both), [share], seed)
    val, train = (select_rows(both, torch.from_numpy(part)) for part in rows)
    return replace(splits, train=train, val=replace(val, augmentation=None))


def _joined(train: Split, val: Split) -> Split:
    """Return the examples of both splits, with the augmentation of training."""
    if not _are_equal(train.scaling, val.scaling):
        raise DataError("training and validation inputs are scaled by different numbers")
    targets = torch.cat([train.targets, val.targets])
    if train.rows is not None and val.rows is not None and train.inputs is val.inputs:
        return replace(train, targets=targets, rows=torch.cat([train.rows, val.rows]))
    inputs = torch.cat([s.inputs if s.rows is None else s.inputs[s.rows] for s in (train, val)])
    return replace(train, inputs=inputs, targets=targets, rows=None)


def _are_equal(one: Scaling | None, other: Scaling | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(one.mean, other.mean) and torch.equal(one.std, other.std)

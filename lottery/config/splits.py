"""`dataset`: the splits."""

from typing import Any

from lottery.config.groups import Dataset
from lottery.config.instantiate import make
from lottery.config.task import name_of, prepare_splits
from lottery.data import DataError, Splits
from lottery.data.corruptions import Corruptions
from lottery.data.subset import has_classes, limited
from lottery.data.validation import with_val_share
from lottery.errors import ConfigError
from lottery.tasks import Task


def build_splits(dataset: Dataset, task: Task, *, may_write: bool) -> Splits:
    """Load the data for a task, limit it and corrupt the training examples as asked."""
    splits = prepare_splits(_load(dataset, may_write=may_write), task)
    if dataset.random_labels and not has_classes(splits.train):
        raise ConfigError(
            f"dataset.random_labels={dataset.random_labels}: replaces classes; "
            f"task={name_of(task)} has none"
        )
    splits = splits.with_num_tokens()  # of all examples, before some are left out
    if dataset.limit is not None:  # for datasets that do not limit themselves
        splits = limited(splits, dataset.limit, dataset.split_seed)
    if dataset.val_share is not None:
        try:
            splits = with_val_share(splits, dataset.val_share, dataset.split_seed)
        except DataError as error:
            raise ConfigError(f"dataset.val_share={dataset.val_share:g}: {error}") from error
    corrupt = Corruptions(
        subsample=dataset.subsample,
        random_labels=dataset.random_labels,
        shuffle_pixels=dataset.shuffle_pixels,
        seed=dataset.split_seed,
    )
    splits = corrupt(splits)
    size, num_train = dataset.batch_size, len(splits.train)
    if size > num_train:
        raise ConfigError(f"dataset.batch_size={size}: at most the {num_train} training examples")
    return splits


def _load(dataset: Dataset, *, may_write: bool) -> Splits:
    target = f"dataset._target_={dataset.node.get('_target_')}"
    made = make(
        dataset.node,
        "dataset",
        root=dataset.root,
        split_seed=dataset.split_seed,
        limit=dataset.limit,
        download=may_write and dataset.download,
        may_write=may_write,
    )
    if not hasattr(made, "load"):
        raise ConfigError(f"{target}: a class with load() expected")
    try:
        splits: Any = made.load()
        if isinstance(splits, Splits):
            splits.check()
    except DataError as error:
        raise ConfigError(f"dataset: {error}") from error
    if not isinstance(splits, Splits):
        raise ConfigError(f"{target}: load() must return Splits")
    return splits

"""scikit-learn's handwritten digits: 1,797 images of 8x8 pixels that need no download."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from lottery.data.splits import Split, Splits

NUM_VAL = 300
NUM_TEST = 297


@dataclass(frozen=True)
class Digits:
    """1,200 training, 300 validation and 297 test images, (1, 8, 8), pixels in [0, 1].

    Both splits are stratified by class. The test images are the same for every `split_seed`, as
    for the datasets that come with a test set.

    Args:
        split_seed: draws the validation images; independent of the run's seed.
    """

    split_seed: int

    def load(self) -> Splits:
        """Return the splits."""
        images, labels = load_digits(return_X_y=True)
        rest, test = train_test_split(
            np.arange(len(labels)), test_size=NUM_TEST, stratify=labels, random_state=0
        )
        train, val = train_test_split(
            rest, test_size=NUM_VAL, stratify=labels[rest], random_state=self.split_seed
        )
        inputs = torch.from_numpy(images / 16).float().reshape(-1, 1, 8, 8)
        targets = torch.from_numpy(labels).long()
        return Splits(
            train=Split(inputs[train], targets[train]),
            val=Split(inputs[val], targets[val]),
            test=Split(inputs[test], targets[test]),
            num_classes=10,
        )

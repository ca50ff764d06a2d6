"""What a round's first step was made with, for the checks."""

import hashlib

from torch import Tensor

FirstStep = dict[str, str | float]


def describe_step(learning_rate: float, rows: Tensor) -> FirstStep:
    """Return the learning rate of a step and a digest of its batch's example indices."""
    batch = hashlib.sha256(str(rows.tolist()).encode()).hexdigest()[:16]
    return {"first_learning_rate": learning_rate, "first_batch": batch}

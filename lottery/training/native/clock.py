"""The clock of a round that Lightning trains: training batches since the initial weights.

Batches and not optimizer steps: with accumulated gradients or several optimizers Lightning's
`global_step` moves by another number than one.
"""

import pytorch_lightning as pl


def clock(trainer: pl.Trainer) -> int:
    """Return how many batches are trained; in `on_train_batch_end` this batch is one of them."""
    return trainer.fit_loop.total_batch_idx + 1

"""Telling the progress display how far a round is. A Lightning callback."""

from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from lottery.progress import Display
from lottery.training.evaluation import Evaluator


class Reporter(pl.Callback):
    """Advances the display after every block.

    Args:
        progress: the display.
        evaluator: knows the latest validation accuracy.
    """

    def __init__(self, progress: Display, evaluator: Evaluator) -> None:
        self.progress = progress
        self.evaluator = evaluator

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
    ) -> None:
        """The block's steps are made."""
        self.progress.advance(len(outputs["losses"]), self.evaluator.latest_val_accuracy)

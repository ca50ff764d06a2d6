"""Lightning's own loops over a user's module and data: fit, validate, test."""

from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl

from lottery.distributed import from_main
from lottery.training.native.metrics import Logged, MetricNames
from lottery.training.native.seeding import seed_setup


@dataclass(frozen=True)
class Loops:
    """A Trainer with a module and its data, which draw the same split before each loop."""

    trainer: pl.Trainer
    module: pl.LightningModule
    datamodule: pl.LightningDataModule | None
    names: MetricNames
    split_seed: int

    def fit(self, checkpoint: Path | None) -> None:
        """Train, from a checkpoint if there is one."""
        seed_setup(self.split_seed)
        self.trainer.fit(
            self.module, datamodule=self.datamodule, ckpt_path=checkpoint, weights_only=True
        )

    def validate(self) -> None:
        """Validate; callbacks see what is logged."""
        seed_setup(self.split_seed)
        self.trainer.validate(self.module, datamodule=self.datamodule, verbose=False)

    def test(self) -> Logged:
        """Return all metrics that the test logs; rank 0's."""
        seed_setup(self.split_seed)
        results = self.trainer.test(self.module, datamodule=self.datamodule, verbose=False)
        logged = {name: float(value) for result in results for name, value in result.items()}
        logged = from_main(lambda: logged)
        self.names.check_test(logged)
        return logged

"""The random numbers of a round that Lightning trains: a function of seed, round and epoch.

A DataLoader draws its order, and the seeds of its workers, from torch's global generator. So the
generators are seeded at each epoch's start, and an epoch can be done again without its past.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl

from lottery.distributed import rank
from lottery.generators import seed_generators
from lottery.seeds import derive_seed

SEED_OF_SAMPLERS = "PL_GLOBAL_SEED"  # Lightning's DistributedSampler reads it


@contextmanager
def own_sampler_seed() -> Iterator[None]:
    """Let a fit set the seed of Lightning's samplers; then put back what a user has set."""
    before = os.environ.pop(SEED_OF_SAMPLERS, None)
    try:
        yield
    finally:
        os.environ.pop(SEED_OF_SAMPLERS, None)
        if before is not None:
            os.environ[SEED_OF_SAMPLERS] = before


def seed_setup(split_seed: int) -> None:
    """Seed what the data draw in `setup`: the same split in every fit, validation and test."""
    seed_generators(derive_seed(split_seed, "datamodule"))


class Seeding(pl.Callback):
    """Seeds the global generators in a round; `seed` is the round's."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed what is drawn before the first epoch; Lightning makes its first iterator then."""
        os.environ[SEED_OF_SAMPLERS] = str(self.seed % 2**32)
        self._seed_generators("fit")

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed an epoch, and let Lightning make a new iterator for it.

        In the first epoch of a resumed fit it would use the one that it made before this. And
        worker processes that outlive an epoch are never seeded again: each epoch starts its own.
        """
        self._seed_generators(trainer.current_epoch)
        trainer.fit_loop._resuming_from_checkpoint = False
        combined = trainer.fit_loop._combined_loader
        for loader in [] if combined is None else combined.flattened:
            if getattr(loader, "persistent_workers", False) and not hasattr(loader, "state_dict"):
                loader._iterator = None

    def _seed_generators(self, purpose: str | int) -> None:
        words = [purpose, rank()] if rank() else [purpose]
        seed_generators(derive_seed(self.seed, *words))

"""One experiment on both paths: equal batches give equal masks and weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import lottery

MINE = '''
import pytorch_lightning as pl
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from lottery.data import BatchOrder, Digits
from lottery.models import LeNet300100
from lottery.seeds import derive_seed

splits = Digits(split_seed=0).load().to(torch.device("cpu"), torch.float64)


class Batches:
    """The batches that lottery's own path trains on."""

    def __init__(self):
        self.order = BatchOrder(len(splits.train), 60, seed=derive_seed(0, "order"), key=0)
        self.sampler = self  # Lightning calls its set_epoch before each epoch

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.order.steps_per_epoch

    def __iter__(self):
        first = self.epoch * len(self)
        for rows in self.order.rows(first, first + len(self)):
            yield splits.train.batch(rows)


class LitLeNet(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = LeNet300100(splits.input_shape, 10)

    def training_step(self, batch, batch_idx):
        return cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", cross_entropy(self.net(batch[0]), batch[1]))

    def test_step(self, batch, batch_idx):
        self.log("test_loss", cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        options = {"momentum": 0.9, "weight_decay": 1e-4, "fused": True}
        return torch.optim.SGD(self.parameters(), lr=0.05, **options)

    def train_dataloader(self):
        return Batches()

    def val_dataloader(self):
        return DataLoader([splits.val.batch(slice(300))], batch_size=None)

    def test_dataloader(self):
        return DataLoader([splits.test.batch(slice(300))], batch_size=None)
'''
SAME = (
    "rounds=2",
    "iterations=30",
    "evaluation.every=10",
    "reinit.to=20",
    "dataset.order=fixed",
    "trainer.precision=64-true",
    "trainer.threads=1",
    "logger=none",
)


def test_both_paths_give_equal_masks_and_weights(
    folder: Path,
    write_module: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(folder)
    write_module("mine", MINE)
    metrics = ("metrics.val=val_loss", "metrics.test=test_loss", "metrics.mode=min")
    native = lottery.run(*SAME, "module._target_=mine.LitLeNet", *metrics)
    optimizer = ("optimizer.lr=0.05", "optimizer.momentum=0.9", "optimizer.weight_decay=1e-4")
    blocks = lottery.run(*SAME, "model.rates=[]", "optimizer=sgd", *optimizer)
    for number in (0, 1, 2):
        masks, there = native.masks(number), blocks.masks(number)
        assert [f"net.{name}" for name in there] == list(masks)
        assert all(torch.equal(there[name.removeprefix("net.")], m) for name, m in masks.items())
        for when in ("start", "es", "final"):
            weights, there = native.weights(number, when), blocks.weights(number, when)
            for name, weight in weights.items():
                assert torch.equal(weight, there[name.removeprefix("net.")]), (number, when, name)
    assert list(native.results["ES"]) == list(blocks.results["ES"])

"""Our own module over streamed images: names, measures, resuming, several processes."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lottery.config import ProcessRank, prepare
from lottery.data import Split, Splits
from lottery.imp import Imp, run_rounds
from lottery.masks import Masks
from lottery.measure.evaluate import evaluate, measure_further
from lottery.record.run_dir import RunDir
from lottery.tasks import Classification
from lottery.tensors import load_tensors
from lottery.training.device import quiet
from lottery.training.native import Supervised
from lottery.training.native.totals import Totals
from lottery.training.native.trainer import make_trainer
from lottery.training.schedules import Constant, Warmup
from tests.conftest import result_tables, tensor_files
from tests.helpers.experiments import composed
from tests.helpers.ranks import CPUS, on_ranks
from tests.helpers.toy_class_folders import STREAM, write_class_folders
from tests.helpers.toy_runs import masks_of

# 36 training images: an epoch has nine steps
RUN = (
    *STREAM,
    *("rounds=1", "iterations=14", "evaluation.every=7", "logger=none", "trainer.threads=1"),
    *("reinit.to=2it", "trainer.precision=64-true", "model.rates=[]"),
    "model._target_=tests.training.test_supervised.Net",
)


def _imp(path: Path, *words: str, process: ProcessRank | None = None, **fit: Any) -> Imp:
    config = composed(*RUN, f"datamodule.folder={path.parent / 'images'}", *words)
    imp = prepare(config, path, process or ProcessRank()).imp
    return replace(imp, fit=replace(imp.fit, **fit))  # type: ignore[type-var]


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Kill(pl.Callback):
    """Ends a round at a step, as by kill -9."""

    number: int
    step: int

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        here = int(Path(trainer.default_root_dir).name), trainer.fit_loop.total_batch_idx + 1
        if here == (self.number, self.step):
            raise Killed


def _kills(kill: Kill, number: int) -> list[pl.Callback]:
    return [kill]


def test_killed_inside_epochs_and_started_again_is_never_killed(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "images")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_rounds(_imp(whole))
    for number, step in ((0, 5), (0, 12), (1, 6)):
        kill = Kill(number, step)
        ending = {"make_callbacks": partial(_kills, kill), "checkpoint_seconds": 0.0}
        with pytest.raises(Killed):
            run_rounds(_imp(killed, **ending))
    first = _First()
    run_rounds(_imp(killed, make_callbacks=lambda number: [first]))
    assert first.step == 6  # not the round's first, and inside its first epoch
    assert result_tables(killed) == result_tables(whole)
    assert tensor_files(killed) == tensor_files(whole)


@dataclass
class _First(pl.Callback):
    """Notes with which step the training goes on."""

    step: int = 0

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self.step = self.step or trainer.fit_loop.total_batch_idx + 1


def _on_a_rank(process: ProcessRank, path: Path) -> None:
    number, batches = process.processes, "trainer.sync_batchnorm=false"
    words = ("trainer=ddp_cpu", f"trainer.devices={number}", "+model.random=false", batches)
    words = (*words, "datamodule.num_workers=0")
    run_rounds(_imp(path, *words, process=process))


def test_two_ranks_train_as_one_process(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "images", in_val=3)  # 9 test images: an uneven share
    alone, ranks = tmp_path / "alone", tmp_path / "ranks"
    _on_a_rank(ProcessRank(), alone)
    assert on_ranks(2, _on_a_rank, ranks) == [None, None]
    expected, found = (_masks_and_weights(path) for path in (alone, ranks))
    for name, mask in expected[0].items():
        assert torch.equal(mask, found[0][name]), name
    for name, weight in expected[1].items():
        assert torch.allclose(weight, found[1][name], rtol=0, atol=1e-9), name
    columns = (alone / "results.csv").read_text(), (ranks / "results.csv").read_text()
    rows = [[line.split(",") for line in text.splitlines()] for text in columns]
    for here, there in zip(rows[0][1:], rows[1][1:], strict=True):
        assert [*map(float, here)] == pytest.approx([*map(float, there)], rel=1e-8)


def _masks_and_weights(path: Path) -> tuple[Masks, dict[str, torch.Tensor]]:
    return masks_of(path, 1), load_tensors(RunDir(path).round(1).final)


class Net(nn.Module):
    """A network with a parameter and a buffer of its own beside its layers.

    `random` has dropout, and BatchNorm, which sees one rank's part of a batch.
    """

    def __init__(self, random: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4) if random else nn.Identity()
        self.dropout = nn.Dropout(0.5 if random else 0)
        self.output = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.ones(4))
        self.register_buffer("shift", torch.zeros(4))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(self.conv(inputs)).relu().mean((2, 3))
        logits: torch.Tensor = self.output(self.dropout(hidden * self.scale + self.shift))
        return logits


def _splits(examples: int) -> Splits:
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(examples) % 3
    inputs = torch.randn(examples, 3, 6, 6, generator=generator, dtype=torch.float64)
    split = Split(inputs + targets.view(-1, 1, 1, 1), targets)
    return Splits(split, split, split, num_classes=3)


def _supervised(network: nn.Module, *, channels_last: bool = True) -> Supervised:
    return Supervised(
        network,
        loss=nn.CrossEntropyLoss(weight=torch.ones(3)),  # has a buffer, which is no network's
        task=Classification(),
        splits=_splits(3),
        make_optimizer=lambda parameters: torch.optim.SGD(parameters, 0.1),
        schedule=Constant(),
        channels_last=channels_last,
    )


def test_the_module_has_the_networks_names() -> None:
    network = Net()
    names, buffers = dict(network.named_parameters()), dict(network.named_buffers())
    module = _supervised(network)
    assert dict(module.named_parameters()) == names
    assert dict(module.named_buffers()) == buffers
    assert module.state_dict().keys() == network.state_dict().keys()
    assert [id(p) for p in module.parameters()] == [id(p) for p in network.parameters()]
    module.load_state_dict(Net().state_dict())
    module.double().eval()
    assert network.scale.dtype == network.shift.dtype == torch.float64
    assert not network.training


def test_channels_last_is_a_memory_format_alone() -> None:
    torch.manual_seed(0)
    network, inputs = Net(), torch.randn(2, 3, 6, 6)
    plain = _supervised(network, channels_last=False).eval()(inputs)
    module = _supervised(network)
    assert network.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(module(inputs), plain, atol=1e-6)


def test_the_schedule_counts_batches_where_gradients_accumulate(tmp_path: Path) -> None:
    module = _supervised(Net())
    module.schedule = Warmup(steps=8, at=(), factor=0.1)
    with quiet():
        module.trainer = make_trainer(CPUS, {"accumulate_grad_batches": 4}, folder=tmp_path)
    made = module.configure_optimizers()
    rates = []
    for _ in range(3):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([0.1 * 1 / 8, 0.1 * 5 / 8, 0.1])


def test_totals_of_batches_are_the_measures_of_a_split() -> None:
    torch.manual_seed(0)
    network, task, splits = Net().double().eval(), Classification(), _splits(50)
    totals = Totals(task, nn.functional.cross_entropy)
    for places in torch.arange(50).split(7):
        inputs, targets = splits.val.batch(places)
        totals.add(network(inputs).detach(), targets)
    loss, score, further = totals.join(splits)
    expected = evaluate(network, splits.val, loss=nn.functional.cross_entropy, task=task)
    assert (loss, score) == (pytest.approx(expected.loss, rel=1e-12), expected.score)
    named = measure_further(network, splits, task)
    assert further == pytest.approx({n: named[n] for n in further}, rel=1e-12)

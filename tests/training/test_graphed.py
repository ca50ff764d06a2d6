"""Replayed steps equal ordinary ones bit for bit, and what cannot be replayed is noticed.

This needs no GPU: `record` stands in for the capture of a CUDA graph.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lottery.data import Split
from lottery.data.augmentation import CropAndFlip
from lottery.generators import drawn
from lottery.masks import prunable_weights
from lottery.models.state import read_state, start_at
from lottery.signals import StopRequest
from lottery.tasks import Classification
from lottery.tensors import digest
from lottery.training import DataOrder, Optimization
from lottery.training.blocks import Blocks
from lottery.training.device import fit_quietly
from lottery.training.graphed import GraphedStep, GraphFailed, Graphs, Replay
from lottery.training.module import LotteryModule
from lottery.training.schedules import Constant, StepDrops, Warmup
from tests.helpers.ranks import CPUS
from tests.helpers.recorded import record

STEPS = 53
ADAM = partial(torch.optim.Adam, lr=0.01, fused=True)
SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True)


class Network(nn.Module):
    """BatchNorm has statistics that move, and dropout draws at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.output = nn.Linear(4 * 36, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        features = torch.dropout(self.norm(self.conv(inputs)).relu(), 0.2, self.training)
        outputs: Tensor = self.output(features.flatten(1))
        return outputs


class Reading(Network):
    """The host must wait for the device."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * (1.0 if float(inputs.sum()) > 0 else 2.0)


class Counting(Network):
    """A number of Python that a replay does not change."""

    steps = 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.steps += 1
        return super().forward(inputs) * self.steps


class Watcher(pl.Callback):
    """Notes what blocks return, and may move a weight to other memory."""

    def __init__(self, moves_at: int | None) -> None:
        self.moves_at = moves_at
        self.seen: list[Tensor] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any
    ) -> None:
        assert isinstance(pl_module, LotteryModule)
        gradients = [weight.grad for weight in pl_module.network.parameters()]
        self.seen += [outputs["losses"], outputs["sums"]]
        self.seen += [gradient.clone() for gradient in gradients if gradient is not None]
        if pl_module.step == self.moves_at:
            weight = pl_module.network.get_parameter("output.weight")
            weight.data = weight.data.clone()


class Recorded:
    """Captures by recording, and counts."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, step: Callable[[], None], optimizer: torch.optim.Optimizer) -> Replay:
        self.number += 1
        return record(step, optimizer)


def _train(
    folder: Path,
    graphs: Graphs | None,
    optimization: Optimization,
    *,
    network_type: type[Network] = Network,
    augmentation: CropAndFlip | None = None,
    moves_at: int | None = None,
) -> str:
    """Train under masks; return the digest of all that comes out."""
    network = drawn(network_type, seed=1)
    numbers = torch.Generator().manual_seed(2)
    inputs = torch.randn(60, 1, 8, 8, generator=numbers)
    train = Split(inputs, torch.arange(60) % 10, augmentation=augmentation)
    weights = prunable_weights(network)
    masks = {n: torch.rand(w.shape, generator=numbers) < 0.5 for n, w in weights.items()}
    start = start_at(read_state(network), STEPS)
    order = DataOrder(batch_size=5, seed=3, augmentation_seed=4, fixed=False)
    module = LotteryModule(
        network=network,
        train=train,
        loss=cross_entropy,
        task=Classification(),
        masks=masks,
        start=start,
        optimization=optimization,
        batch_size=5,
        draws=order.draws(0, train),
        stop=StopRequest(),
        graphs=graphs,
    )
    order.seed_generators(0, start, torch.device("cpu"))
    blocks = Blocks(order.batches(0, train), first=0, last=STEPS, size=7, every=20)
    watcher = Watcher(moves_at)
    options: dict[str, Any] = {"loggers": [], "folder": folder, "some_unused": False}
    fit_quietly(module, blocks, device=CPUS, callbacks=[watcher], **options)
    state = read_state(network, module.trainer.optimizers[0])
    assert all(not state.weights[name][~mask].any() for name, mask in masks.items())
    seen = {f"seen {place}": tensor for place, tensor in enumerate(watcher.seen)}
    return digest(state.weights | state.buffers | state.optimizer | seen)


CASES = {
    "SGD": (Optimization(SGD, Constant()), None, 1),
    "Adam, augmented": (Optimization(ADAM, Constant()), CropAndFlip(2), 1),
    "SGD, clipped, dropping rates": (
        Optimization(SGD, StepDrops(at=(15, 40), factor=0.1), clip_norm=0.5),
        CropAndFlip(1),
        3,
    ),
    "Adam, rising and dropping rates": (Optimization(ADAM, Warmup(20, (30,), 0.1)), None, 2),
}


@pytest.mark.parametrize(("optimization", "augmentation", "captures"), CASES.values(), ids=CASES)
def test_replayed_steps_end_as_ordinary_ones(
    tmp_path: Path, optimization: Optimization, augmentation: CropAndFlip | None, captures: int
) -> None:
    """Once for each learning rate that stays, a step is captured."""
    recorded = Recorded()
    graphs = Graphs(recorded, required=True)
    replayed = _train(tmp_path, graphs, optimization, augmentation=augmentation)
    assert replayed == _train(tmp_path, None, optimization, augmentation=augmentation)
    assert recorded.number == captures


def test_a_weight_that_has_moved_is_captured_again(tmp_path: Path) -> None:
    recorded, sgd = Recorded(), Optimization(SGD, Constant())
    replayed = _train(tmp_path, Graphs(recorded, required=True), sgd, moves_at=20)
    assert replayed == _train(tmp_path, None, sgd, moves_at=20)
    assert recorded.number == 2


@pytest.mark.parametrize(
    ("network_type", "why"),
    [
        (Reading, "the step cannot be captured: RuntimeError: operation not permitted"),
        (Counting, "a captured step has other numbers than an ordinary one"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(
    tmp_path: Path, network_type: type[Network], why: str
) -> None:
    graphs = Graphs(record, required=True)
    with pytest.raises(GraphFailed, match=f"^trainer.graph=true: {why}.*; accepted: auto, false$"):
        _train(tmp_path, graphs, Optimization(SGD, Constant()), network_type=network_type)


def test_auto_goes_on_with_ordinary_steps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    optimization, kind = Optimization(SGD, Constant()), Reading
    tried = _train(tmp_path, Graphs(record, required=False), optimization, network_type=kind)
    assert "trainer.graph=auto: the step cannot be captured: " in caplog.text
    assert caplog.text.count("trainer.graph") == 1
    assert tried == _train(tmp_path, None, optimization, network_type=kind)


def test_a_batch_of_another_size_is_an_ordinary_step() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    sizes = []

    def step(rows: Tensor, drawn: Tensor | None) -> tuple[Tensor, Tensor]:
        sizes.append(len(rows))
        loss = (weight * rows).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach(), rows.float()

    graphed = GraphedStep(step, optimizer, [weight], Graphs(record, required=True))
    for size in (2, 2, 2, 2, 1, 2):
        graphed(torch.ones(size), None)
    assert sizes[:3] == [2, 2, 2]
    assert sizes[-1] == 1  # neither step after it ran Python
    assert weight.item() == pytest.approx(1 - 0.1 * 11)

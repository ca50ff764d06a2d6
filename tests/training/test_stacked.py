"""Networks of several runs that are trained as one, against each alone, in float64."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from lottery.data import Split
from lottery.masks import apply_masks
from lottery.models.state import read_state, start_at
from lottery.training.stacked import NextBlock
from lottery.training.stacked.stack import CannotStack, Stack

RUNS, STEPS, BATCH = 3, 4, 5
SPLIT = Split(
    torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(1)).double(),
    torch.arange(40) % 3,
)


class Flip:
    """Augmentation: examples whose number is negative are flipped."""

    def draw(self, steps: int, batch_size: int, generator: torch.Generator) -> Tensor:
        return torch.randn(steps, batch_size, generator=generator)

    def __call__(self, inputs: Tensor, drawn: Tensor) -> Tensor:
        return torch.where(drawn[:, None, None, None] < 0, inputs.flip(-1), inputs)


def _network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = (nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(27, 6), nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(6, 3)).double()


def _weights(network: nn.Module) -> list[Tensor]:
    return [weight for weight in network.parameters() if weight.ndim > 1]


def _factors(seed: int, network: nn.Module) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [(torch.rand(w.shape, generator=generator) < 0.6).double() for w in _weights(network)]


def _block(
    run: int, network: nn.Module, optimizer: Optimizer, made: int, **other: Any
) -> NextBlock:
    generator = torch.Generator().manual_seed(100 * run + made)
    return NextBlock(
        **{
            "network": network,
            "optimizer": optimizer,
            "pruned": _weights(network),
            "factors": _factors(run, network),
            "clip_norm": None,
            "split": SPLIT,
            "loss": nn.functional.cross_entropy,
            "rows": torch.randint(40, (STEPS, BATCH), generator=generator),
            "drawn": None,
            "rates": [[0.1 / (1 + step)] * len(optimizer.param_groups) for step in range(STEPS)],
            "made": made,
            "restored": None,
            "keeps_outputs": True,
            **other,
        }
    )


def _train_alone(block: NextBlock) -> tuple[list[Tensor], list[Tensor]]:
    losses, outputs = [], []
    for step, rates in enumerate(block.rates):
        for group, rate in zip(block.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        drawn = None if block.drawn is None else block.drawn[step]
        inputs, targets = block.split.batch(block.rows[step], drawn)
        output = block.network(inputs)
        loss = block.loss(output, targets)
        block.optimizer.zero_grad()
        loss.backward()
        if block.clip_norm is not None:
            apply_masks([w.grad for w in block.pruned if w.grad is not None], block.factors)
            nn.utils.clip_grad_norm_(block.network.parameters(), block.clip_norm)
        block.optimizer.step()
        apply_masks(block.pruned, block.factors)
        losses.append(loss.detach())
        outputs.append(output.detach())
    return losses, outputs


def _far(first: Iterable[Tensor], second: Iterable[Tensor]) -> float:
    return max(float((a - b).detach().abs().max()) for a, b in zip(first, second, strict=True))


def _undecayed(network: nn.Module) -> Optimizer:
    biases = [weight for weight in network.parameters() if weight.ndim == 1]
    groups: list[dict[str, Any]] = [
        {"params": _weights(network)},
        {"params": biases, "weight_decay": 0},
    ]
    return AdamW(groups, weight_decay=0.1, fused=True)


@pytest.mark.parametrize(
    ("make", "other"),
    [
        (lambda n: Adam(n.parameters(), fused=True), {}),
        (lambda n: SGD(n.parameters(), momentum=0.9, weight_decay=0.1, fused=True), {}),
        (lambda n: SGD(n.parameters(), momentum=0.9), {"clip_norm": 0.1}),
        (_undecayed, {"keeps_outputs": False}),
        (
            lambda n: SGD(n.parameters()),
            {
                "split": Split(SPLIT.inputs, SPLIT.targets, augmentation=Flip()),
                "drawn": torch.linspace(-1, 2, STEPS * BATCH).reshape(STEPS, BATCH),
            },
        ),
    ],
    ids=["adam", "sgd", "clipped", "groups", "augmented"],
)
def test_a_stack_trains_as_each_network_alone(make: Any, other: dict[str, Any]) -> None:
    """One run leaves after two blocks, and goes on alone from its part of the stack."""
    alone, together = ([_network(seed) for seed in range(RUNS)] for _ in range(2))
    own, shared = ([make(network) for network in networks] for networks in (alone, together))
    stack: Stack | None = None
    for number in range(3):
        runs = range(RUNS if number < 2 else RUNS - 1)
        blocks = [_block(r, together[r], shared[r], number * STEPS, **other) for r in runs]
        if stack is None or not stack.holds(blocks):
            stack = Stack(blocks)
            assert number in (0, 2)
        made = stack.train(blocks, stops=lambda: False)
        for run in runs:
            losses, outputs = _train_alone(
                _block(run, alone[run], own[run], number * STEPS, **other)
            )
            assert _far(made[run].losses, losses) < 1e-12
            assert len(made[run].outputs) == (STEPS if other.get("keeps_outputs", True) else 0)
            assert _far(made[run].outputs or outputs, outputs) < 1e-12
    last = RUNS - 1
    for networks, optimizers in ((alone, own), (together, shared)):
        _train_alone(_block(last, networks[last], optimizers[last], 2 * STEPS, **other))
    for run in range(RUNS):
        assert _far(alone[run].parameters(), together[run].parameters()) < 1e-12
        for factor, weight in zip(
            _factors(run, together[run]), _weights(together[run]), strict=True
        ):
            assert not weight[factor == 0].any()


class ScaledNetwork(nn.Sequential):
    """A user's network with a weight that never moves, and one that is a single number."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.never = nn.Parameter(torch.full((3,), 0.5).double(), requires_grad=False)
        self.scale = nn.Parameter(torch.tensor(2.0).double())

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = super().forward(inputs) * self.scale + self.never
        return outputs


def test_weights_that_stay_and_weights_of_one_number() -> None:
    """The stack is made again after a block, as after a kill; a checkpoint can be written."""
    alone, together = ([ScaledNetwork(*_network(seed)) for seed in range(2)] for _ in range(2))
    own, shared = (
        [Adam([w for w in network.parameters() if w.requires_grad]) for network in networks]
        for networks in (alone, together)
    )
    for made in (0, STEPS):
        blocks = [_block(r, together[r], shared[r], made) for r in range(2)]
        Stack(blocks).train(blocks, stops=lambda: False)
        for run in range(2):
            _train_alone(_block(run, alone[run], own[run], made))
    for run in range(2):
        assert _far(alone[run].parameters(), together[run].parameters()) < 1e-12
        of_weights = shared[run].state_dict()["state"]
        assert len(of_weights) == len(own[run].state_dict()["state"]) == 7
        assert {float(entries["step"]) for entries in of_weights.values()} == {2 * STEPS}


@pytest.mark.parametrize(("make", "steps"), [(Adam, 7), (SGD, 0)])
def test_a_start_tells_how_many_steps_its_optimizer_has_made(make: Any, steps: int) -> None:
    network = _network(0)
    optimizer = make(network.parameters(), lr=0.1)
    assert start_at(read_state(network, optimizer), 9, restore=True).optimizer_steps is None
    optimizer = make(network.parameters(), **({} if steps else {"momentum": 0.9}))
    for number in range(7):
        _train_alone(replace(_block(0, network, optimizer, number), rates=[[0.1]]))
    stored = read_state(network, optimizer)
    assert start_at(stored, 9, 7, restore=True).optimizer_steps == steps
    assert start_at(stored, 9, 7).optimizer_steps is None


def test_a_request_to_stop_ends_the_block_of_all() -> None:
    networks = [_network(seed) for seed in range(2)]
    blocks = [_block(r, n, SGD(n.parameters()), 0) for r, n in enumerate(networks)]
    answers = iter([False, True])
    made = Stack(blocks).train(blocks, stops=lambda: next(answers))
    assert [len(of_run.losses) for of_run in made] == [2, 2]


def test_a_stack_does_not_hold_runs_that_went_on_elsewhere() -> None:
    networks = [_network(seed) for seed in range(2)]
    optimizers = [SGD(network.parameters()) for network in networks]

    def blocks(*made: int) -> list[NextBlock]:
        runs = zip(networks, optimizers, made, strict=True)
        return [_block(r, n, o, m) for r, (n, o, m) in enumerate(runs)]

    stack = Stack(blocks(0, 0))
    assert stack.holds(blocks(0, 0))
    assert not stack.holds(blocks(0, 4))  # the second has made steps alone
    assert not stack.holds(blocks(0, 0)[::-1])
    networks[1][0].weight.data = networks[1][0].weight.data.clone()
    assert not stack.holds(blocks(0, 0))


class RandomNetwork(nn.Sequential):
    """A user's network that draws in its forward pass."""

    def forward(self, inputs: Tensor) -> Tensor:
        drawn: Tensor = super().forward(inputs)
        return drawn + torch.randn(())


class OwnNetwork(nn.Sequential):
    """A user's network whose connections differ from one network to the next."""

    def forward(self, inputs: Tensor) -> Tensor:
        rolled = inputs.roll(getattr(self, "shift", 0), 0)
        outputs: Tensor = super().forward(rolled)
        return outputs


def _blocks(kind: type[nn.Sequential], shifts: Sequence[int]) -> list[NextBlock]:
    networks = [kind(*_network(0)) for _ in shifts]
    for network, shift in zip(networks, shifts, strict=True):
        network.shift = shift
    return [_block(r, n, SGD(n.parameters()), 0) for r, n in enumerate(networks)]


def test_networks_that_cannot_be_one_are_refused() -> None:
    drawing = _blocks(RandomNetwork, [0, 0])
    before = torch.get_rng_state()
    with pytest.raises(CannotStack, match="random"):
        Stack(drawing)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(CannotStack, match="other outputs than alone"):
        Stack(_blocks(OwnNetwork, [0, 1]))
    Stack(_blocks(OwnNetwork, [1, 1]))


def test_what_must_be_equal_in_runs_that_are_trained_as_one() -> None:
    network = _network(0)

    def kind(**other: Any) -> Any:
        optimizer = SGD(network.parameters(), momentum=0.9)
        return replace(_block(0, network, optimizer, 0), **other).kind

    assert kind() == kind(rows=torch.zeros(STEPS, BATCH, dtype=torch.long))
    assert kind() != kind(made=4)
    assert kind() != kind(restored=0)
    assert kind(restored=100) != kind(restored=200)  # Adam divides by what follows from the count
    assert kind() != kind(clip_norm=1.0)
    assert kind() != kind(pruned=_weights(network)[::-1])  # the masks of one are not the other's
    assert kind() != kind(rates=[[0.1]] * STEPS)
    assert kind() != kind(rows=torch.zeros(STEPS, BATCH + 1, dtype=torch.long))
    assert kind() != kind(optimizer=SGD(network.parameters(), momentum=0.8))
